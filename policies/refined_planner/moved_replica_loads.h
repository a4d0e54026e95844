// Replica loads after a slot has passed from one expert to another.

#ifndef EPLB_POLICIES_REFINED_PLANNER_MOVED_REPLICA_LOADS_H_
#define EPLB_POLICIES_REFINED_PLANNER_MOVED_REPLICA_LOADS_H_

#include <vector>

#include "absl/types/span.h"

namespace eplb {

// An expert that has, or is to have, `count` replicas of `load / count`.
struct SplitLoad {
  double load;
  int count;
};

// Merges the change into loads that are in order already: several times faster
// than listing all replicas again, which a search would do for each move it
// considers. Thread-compatible.
class MovedReplicaLoads {
 public:
  // Returns `replica_loads` (in falling order) with one replica less of `from`
  // and one more of `to`, in falling order. Both are given as they are before;
  // `from` has at least two. The result is valid until the next call.
  absl::Span<const double> Move(absl::Span<const double> replica_loads,
                                SplitLoad from, SplitLoad to);

 private:
  std::vector<double> moved_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_MOVED_REPLICA_LOADS_H_
