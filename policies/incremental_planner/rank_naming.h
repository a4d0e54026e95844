// Names the ranks of a placement that was made from nothing.

#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_NAMING_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_NAMING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Which rank holds what does not matter for balance, so a new placement may be
// given to the ranks such that many experts stay where they are.
// Thread-compatible. Keeps its memory between calls.
class RankNaming {
 public:
  RankNaming(int num_experts, int num_ranks, int slots_per_rank);

  // Reorders the ranks of `experts` (the expert of each slot, rank by rank).
  // Each in turn takes the rank of `reference` (-1: empty slot), among those
  // left, with which it shares most.
  void MeetAgain(absl::Span<const int32_t> reference,
                 absl::Span<int32_t> experts);

 private:
  const int num_ranks_;
  const int slots_per_rank_;
  std::vector<int32_t> unnamed_;     // a copy of the experts, rank by rank
  std::vector<int32_t> first_slot_;  // of each expert in the reference
  std::vector<int32_t> next_slot_;
  std::vector<int32_t> overlap_;  // per rank; 0 between searches
  std::vector<int32_t> met_;      // ranks left with which some is shared
  std::vector<uint8_t> is_taken_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_NAMING_H_
