// ModelSet: the models of a state, in the order in which they were added.

#ifndef EPLB_STATE_MODEL_SET_H_
#define EPLB_STATE_MODEL_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"
#include "eplb/state/model.h"

namespace eplb {

// Thread-compatible.
class ModelSet {
 public:
  // Whether a model of this name and shape may join: AlreadyExists for a name
  // that is there, FailedPrecondition, with both sets of numbers, for other
  // counts of experts or groups than the models that are there have.
  absl::Status CheckNew(const std::string& name, const ModelShape& shape) const;

  void Add(std::unique_ptr<Model> model) {
    models_.push_back(std::move(model));
  }

  int size() const { return static_cast<int>(models_.size()); }
  bool empty() const { return models_.empty(); }
  Model& operator[](int index) const { return *models_[index]; }

  auto begin() const { return models_.begin(); }
  auto end() const { return models_.end(); }

  // Of the placements of all models, and of how their weights are laid out.
  uint64_t PlacementHash() const;
  uint64_t LayoutHash() const;

 private:
  std::vector<std::unique_ptr<Model>> models_;
};

}  // namespace eplb

#endif  // EPLB_STATE_MODEL_SET_H_
