#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_COMPLETION_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_COMPLETION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Makes a placement complete that lost experts or slots, as after the death of
// a rank: gives every expert a slot and every slot an expert, and changes as
// few other slots as that takes.
//
// Thread-compatible. Keeps its memory between calls.
class PlacementCompletion {
 public:
  PlacementCompletion(int num_experts, int num_ranks, int slots_per_rank);

  // Whether every slot has an expert and every expert a slot.
  bool IsComplete(absl::Span<const int32_t> slots);

  // Completes `slots` (-1: empty) in place.
  void Complete(absl::Span<const double> loads, absl::Span<int32_t> slots);

 private:
  void Count(absl::Span<const double> loads, absl::Span<const int32_t> slots);
  void FreeSlots(int num, absl::Span<const double> loads,
                 absl::Span<int32_t> slots);
  void PlaceMissing(absl::Span<const double> loads, absl::Span<int32_t> slots);
  void FillWithReplicas(absl::Span<const double> loads,
                        absl::Span<int32_t> slots);
  int LeastLoadedRankWithEmptySlot() const;
  int PopEmptySlot(int rank, absl::Span<const int32_t> slots);
  int HottestExpertFor(int rank, absl::Span<const double> loads,
                       absl::Span<const int32_t> slots);

  const int num_experts_;
  const int num_ranks_;
  const int slots_per_rank_;
  std::vector<int32_t> missing_;
  std::vector<int32_t> count_;
  std::vector<int32_t> empty_on_rank_;
  std::vector<double> rank_load_;
  std::vector<uint8_t> is_held_;  // per expert, for the rank being filled
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_COMPLETION_H_
