#include "policies/refined_planner/packing_bound.h"

#include <algorithm>

#include "absl/types/span.h"

namespace eplb {
namespace {

// The hottest replica goes best with the coldest, the second with the second
// coldest, and so on: any other pairing can be turned into this one without
// raising the largest sum.
double LargestPair(absl::Span<const double> replica_loads) {
  double largest = 0.0;
  const double* hot = replica_loads.data();
  const double* cold = hot + replica_loads.size() - 1;
  for (; hot < cold; ++hot, --cold) largest = std::max(largest, *hot + *cold);
  return largest;
}

}  // namespace

double PackingBound(absl::Span<const double> replica_loads,
                    int slots_per_rank) {
  if (slots_per_rank == 2) return LargestPair(replica_loads);
  // Of the n hottest replicas either two share a rank, or they are on n ranks
  // which at best have the coldest replicas for the rest of their slots.
  const int num_replicas = static_cast<int>(replica_loads.size());
  const int num_ranks = num_replicas / slots_per_rank;
  double bound = 0.0;
  double load_of_their_ranks = 0.0;
  int cold = num_replicas;
  for (int hot = 0; hot < num_replicas; ++hot) {
    const double shared = 2.0 * replica_loads[hot];
    if (shared <= bound) break;
    if (hot == num_ranks) return shared;
    load_of_their_ranks += replica_loads[hot];
    for (int i = 1; i < slots_per_rank; ++i) {
      load_of_their_ranks += replica_loads[--cold];
    }
    bound = std::max(bound, std::min(shared, load_of_their_ranks / (hot + 1)));
  }
  return bound;
}

}  // namespace eplb
