#include "eplb/state/model_set.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/stable_hash.h"
#include "eplb/state/model.h"

namespace eplb {
namespace {

std::string CountsOf(const ModelShape& shape) {
  return absl::StrCat(shape.num_logical_experts, " logical, ",
                      shape.num_redundant_experts, " redundant, ",
                      shape.num_physical_experts(), " physical experts and ",
                      shape.num_expert_groups, " groups");
}

}  // namespace

absl::Status ModelSet::CheckNew(const std::string& name,
                                const ModelShape& shape) const {
  for (const std::unique_ptr<Model>& model : models_) {
    if (model->name() == name) {
      return absl::AlreadyExistsError(
          absl::StrCat("model '", name, "' was added before"));
    }
  }
  if (models_.empty()) return absl::OkStatus();
  const ModelShape& first = models_.front()->shape();
  if (shape.num_logical_experts == first.num_logical_experts &&
      shape.num_redundant_experts == first.num_redundant_experts &&
      shape.num_expert_groups == first.num_expert_groups) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "model '", name, "' has ", CountsOf(shape), "; model '",
      models_.front()->name(), "' of the same state has ", CountsOf(first)));
}

uint64_t ModelSet::PlacementHash() const {
  StableHash hash;
  for (const std::unique_ptr<Model>& model : models_) {
    hash.Add(model->placement().Hash());
  }
  return hash.value();
}

uint64_t ModelSet::LayoutHash() const {
  StableHash hash;
  for (const std::unique_ptr<Model>& model : models_) {
    hash.Add(model->shuffler().weights().LayoutHash());
  }
  return hash.value();
}

}  // namespace eplb
