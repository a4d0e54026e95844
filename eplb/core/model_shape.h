// ModelShape: the sizes of a mixture-of-experts model and its redundancy.
//
//   ModelShape shape{.num_layers = 58,
//                    .num_logical_experts = 256,
//                    .num_redundant_experts = 32,
//                    .num_expert_groups = 8};
//   EPLB_RETURN_IF_ERROR(shape.Validate());
//   EPLB_RETURN_IF_ERROR(ValidateSlotsPerRank(shape, /*num_ranks=*/32));

#ifndef EPLB_CORE_MODEL_SHAPE_H_
#define EPLB_CORE_MODEL_SHAPE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eplb {

// No table of the library has more entries than this (layers x slots).
inline constexpr int64_t kMaxTableEntries = int64_t{1} << 30;

struct ModelShape {
  int num_layers = 0;
  int num_logical_experts = 0;
  // Slots of a layer beyond one per logical expert.
  int num_redundant_experts = 0;
  // Groups of consecutive experts that a router picks together; 1 for none.
  int num_expert_groups = 1;

  // The slots of one layer over all ranks.
  int num_physical_experts() const {
    return num_logical_experts + num_redundant_experts;
  }

  // InvalidArgument, naming the field, its value and the rule, unless every
  // layer has an expert, groups divide the experts and the tables fit.
  absl::Status Validate() const;

  friend bool operator==(const ModelShape&, const ModelShape&) = default;
};

// InvalidArgument unless the slots of `shape` divide by `num_ranks`; the
// message names the nearest redundancy that fits.
absl::Status ValidateSlotsPerRank(const ModelShape& shape, int num_ranks);

// The smallest redundancy with which `num_logical_experts` divide by
// `num_ranks`: what a redundancy of "auto" means.
absl::StatusOr<int> AutoRedundantExperts(int num_logical_experts,
                                         int num_ranks);

// The multiple of `divisor`, at least `minimum`, that is nearest to `value`;
// of two equally near ones the smaller. All arguments are positive, and the
// result fits into int64.
int64_t NearestMultiple(int64_t value, int64_t divisor, int64_t minimum);

}  // namespace eplb

#endif  // EPLB_CORE_MODEL_SHAPE_H_
