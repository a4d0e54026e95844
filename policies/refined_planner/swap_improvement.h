// Evens out a packing by exchanging replicas between ranks.

#ifndef EPLB_POLICIES_REFINED_PLANNER_SWAP_IMPROVEMENT_H_
#define EPLB_POLICIES_REFINED_PLANNER_SWAP_IMPROVEMENT_H_

#include <array>
#include <cstdint>
#include <vector>

#include "policies/refined_planner/rank_packing.h"

namespace eplb {

// Takes the most loaded rank and exchanges one of its replicas, or two, with as
// many of another rank, until no rank is above the wanted load. Never raises
// the largest rank load, and never brings two replicas of an expert together.
// Thread-compatible.
class SwapImprovement {
 public:
  explicit SwapImprovement(int num_ranks) : ranks_(num_ranks) {}

  // Stops when `wanted_rank_load` is reached, no exchange helps, or there are
  // no `evaluations_left`, from which it takes what it uses.
  void Improve(RankPacking& packing, double wanted_rank_load,
               int64_t& evaluations_left);

 private:
  // The replicas on a rank, hottest first, and their loads.
  struct SortedRank {
    void Assign(const RankPacking& packing, int rank);

    std::vector<int32_t> replicas;
    std::vector<double> loads;
  };

  // Exchanges that leave the rank and its partner with this load at most.
  struct Exchange {
    std::array<int32_t, 2> given = {};
    std::array<int32_t, 2> taken = {};
    int size = 0;  // replicas each way; 0 when nothing was found
    double larger_load = 0.0;
  };

  Exchange FindSingle(const RankPacking& packing, int rank,
                      double wanted_rank_load) const;
  Exchange FindDouble(const RankPacking& packing, int rank,
                      double wanted_rank_load, Exchange best,
                      int64_t& evaluations_left);
  bool FindDoubleWith(const RankPacking& packing, int rank, int other,
                      double wanted_rank_load, Exchange& best);

  std::vector<int32_t> ranks_;
  SortedRank given_;  // of the most loaded rank
  SortedRank taken_;  // of its partner
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_SWAP_IMPROVEMENT_H_
