// How many replicas each expert of a layer gets.
//
//   SpareSlots            who gets the slots a cap leaves over
//   ReplicaCountChooser   fills replica counts; owns the scratch it needs
//
// Counts never pass the number of ranks: more replicas than ranks would put
// two of them on one rank.

#ifndef EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNTS_H_
#define EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNTS_H_

#include <cstdint>
#include <vector>

#include "policies/refined_planner/layer_experts.h"

namespace eplb {

enum class SpareSlots {
  kToHottest,   // always to the expert with the largest replicas
  kToColdest,   // one each from the coldest up: small slots to fill ranks
  kHalfToEach,  // half to the hottest, the rest to the coldest
};

// Thread-compatible.
class ReplicaCountChooser {
 public:
  explicit ReplicaCountChooser(int num_ranks) : num_ranks_(num_ranks) {}

  // The counts that make the largest replica as small as possible.
  // `smallest_largest_replica` is SmallestLargestReplicaLoad of the layer.
  // There are more experts than slots per rank, here and below.
  void FillMinMax(const LayerExperts& experts, int num_slots,
                  double smallest_largest_replica,
                  std::vector<int32_t>& counts);

  // The smallest counts with no replica above `cap` where the ranks suffice
  // for that, and the slots left over given as `spare` says. False, with
  // unspecified counts, when the slots do not suffice.
  bool FillUnderCap(const LayerExperts& experts, int num_slots, double cap,
                    SpareSlots spare, std::vector<int32_t>& counts);

 private:
  struct Replica {
    double load;
    int32_t expert;
  };

  void GiveToHottest(const LayerExperts& experts, int num_spare,
                     std::vector<int32_t>& counts);
  void GiveToColdest(const LayerExperts& experts, int num_spare,
                     std::vector<int32_t>& counts) const;

  int num_ranks_;
  std::vector<Replica> heap_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_REPLICA_COUNTS_H_
