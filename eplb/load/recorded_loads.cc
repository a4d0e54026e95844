#include "eplb/load/recorded_loads.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_value.h"

namespace eplb {

absl::Status RecordedShape::Validate() const {
  const std::string sizes =
      absl::StrCat(num_steps, " steps of ", num_layers, " layers of ",
                   num_logical_experts, " experts");
  if (num_steps < 1 || num_layers < 1 || num_logical_experts < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(sizes, ": there must be at least 1 of each"));
  }
  // Divisions, because the product of hostile sizes overflows.
  if (num_steps > kMaxEntries || num_layers > kMaxEntries / num_steps ||
      num_logical_experts > kMaxEntries / num_steps / num_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat(sizes, " are more than ", kMaxEntries, " loads"));
  }
  return absl::OkStatus();
}

std::string RecordedShape::PlaceOf(int64_t index) const {
  const int64_t per_step = num_layers * num_logical_experts;
  const std::string place =
      absl::StrCat("layer ", index % per_step / num_logical_experts,
                   ", expert ", index % num_logical_experts);
  if (num_steps == 1) return place;
  return absl::StrCat("step ", index / per_step, ", ", place);
}

absl::StatusOr<RecordedLoads> RecordedLoads::Create(
    const RecordedShape& shape, std::vector<int64_t> loads) {
  if (absl::Status status = shape.Validate(); !status.ok()) return status;
  if (static_cast<int64_t>(loads.size()) != shape.num_entries()) {
    return absl::InvalidArgumentError(
        absl::StrCat(loads.size(), " loads; ", shape.num_steps, " steps of ",
                     shape.num_layers, " layers of ", shape.num_logical_experts,
                     " experts have ", shape.num_entries()));
  }
  for (size_t i = 0; i < loads.size(); ++i) {
    if (!IsLoad(loads[i])) {
      return WithPlace(shape.PlaceOf(static_cast<int64_t>(i)),
                       LoadFromInteger(loads[i]).status());
    }
  }
  return RecordedLoads(shape, std::move(loads));
}

absl::StatusOr<ExpertLoads> RecordedLoads::SumOverSteps() const {
  const absl::Span<const int64_t> first = step(0);
  std::vector<int64_t> sums(first.begin(), first.end());
  for (int64_t s = 1; s < num_steps(); ++s) {
    const absl::Span<const int64_t> loads = step(s);
    for (size_t i = 0; i < sums.size(); ++i) {
      // Both are at most 2^53 here, so that the sum cannot overflow.
      sums[i] += loads[i];
      if (!IsLoad(sums[i])) {
        return absl::InvalidArgumentError(absl::StrCat(
            "layer ", i / shape_.num_logical_experts, ", expert ",
            i % shape_.num_logical_experts, ": the loads of the first ", s + 1,
            " steps add up to ", sums[i], ", more than ",
            ExpertLoads::kMaxLoad));
      }
    }
  }
  return ExpertLoads::Create(num_layers(), num_logical_experts(),
                             std::move(sums));
}

}  // namespace eplb
