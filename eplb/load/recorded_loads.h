// RecordedLoads: loads as a recorder kept them, step by step.
//
//   EPLB_ASSIGN_OR_RETURN(
//       RecordedLoads recorded,
//       RecordedLoads::Create({.num_steps = 2, .num_layers = 1,
//                              .num_logical_experts = 3},
//                             {5, 0, 7, 1, 1, 1}));
//   EPLB_ASSIGN_OR_RETURN(ExpertLoads loads, recorded.SumOverSteps());
//   loads.layer(0);  // {6, 1, 8}

#ifndef EPLB_LOAD_RECORDED_LOADS_H_
#define EPLB_LOAD_RECORDED_LOADS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"

namespace eplb {

struct RecordedShape {
  // No recording has more entries (2 GiB of counts).
  static constexpr int64_t kMaxEntries = int64_t{1} << 28;

  int64_t num_steps = 1;
  int64_t num_layers = 0;
  int64_t num_logical_experts = 0;

  // InvalidArgument unless every size is at least 1 and the product at most
  // kMaxEntries.
  absl::Status Validate() const;

  // Of a shape that is valid.
  int64_t num_entries() const {
    return num_steps * num_layers * num_logical_experts;
  }

  // "step 2, layer 3, expert 17" for a row-major index; without the step when
  // there is only one.
  std::string PlaceOf(int64_t index) const;

  friend bool operator==(const RecordedShape&, const RecordedShape&) = default;
};

// Immutable. Copies are independent.
class RecordedLoads {
 public:
  // `loads` in row-major order [steps, layers, logical experts].
  // InvalidArgument, naming step, layer and expert, unless every load is in
  // [0, ExpertLoads::kMaxLoad].
  static absl::StatusOr<RecordedLoads> Create(const RecordedShape& shape,
                                              std::vector<int64_t> loads);

  const RecordedShape& shape() const { return shape_; }
  int64_t num_steps() const { return shape_.num_steps; }
  int num_layers() const { return static_cast<int>(shape_.num_layers); }
  int num_logical_experts() const {
    return static_cast<int>(shape_.num_logical_experts);
  }

  // The loads of one step, [layers, logical experts] row-major.
  absl::Span<const int64_t> step(int64_t step) const {
    const size_t size =
        static_cast<size_t>(shape_.num_layers * shape_.num_logical_experts);
    return absl::MakeConstSpan(loads_).subspan(static_cast<size_t>(step) * size,
                                               size);
  }

  // InvalidArgument, naming layer and expert, when a sum is more than
  // ExpertLoads::kMaxLoad.
  absl::StatusOr<ExpertLoads> SumOverSteps() const;

  friend bool operator==(const RecordedLoads&, const RecordedLoads&) = default;

 private:
  RecordedLoads(const RecordedShape& shape, std::vector<int64_t> loads)
      : shape_(shape), loads_(std::move(loads)) {}

  RecordedShape shape_;
  std::vector<int64_t> loads_;
};

}  // namespace eplb

#endif  // EPLB_LOAD_RECORDED_LOADS_H_
