#include "policies/refined_planner/moved_replica_loads.h"

#include <algorithm>
#include <array>
#include <functional>

#include "absl/types/span.h"

namespace eplb {
namespace {

// At `position` of the old loads, `num_old` of them go and `num_new` of `load`
// come.
struct Splice {
  const double* position;
  int num_old;
  int num_new;
  double load;
};

double ReplicaLoad(const SplitLoad& expert) {
  return expert.load / expert.count;
}

Splice Remove(absl::Span<const double> loads, const SplitLoad& expert) {
  const double* const first = std::lower_bound(
      loads.begin(), loads.end(), ReplicaLoad(expert), std::greater<double>());
  return {first, expert.count, 0, 0.0};
}

Splice Insert(absl::Span<const double> loads, const SplitLoad& expert) {
  const double load = ReplicaLoad(expert);
  const double* const position = std::lower_bound(loads.begin(), loads.end(),
                                                  load, std::greater<double>());
  return {position, 0, expert.count, load};
}

}  // namespace

absl::Span<const double> MovedReplicaLoads::Move(
    absl::Span<const double> replica_loads, SplitLoad from, SplitLoad to) {
  std::array<Splice, 4> splices = {
      Insert(replica_loads, {from.load, from.count - 1}),
      Insert(replica_loads, {to.load, to.count + 1}),
      Remove(replica_loads, from),
      Remove(replica_loads, to),
  };
  // A position is that of the first load that is not larger: what comes there
  // goes before what leaves, and the larger before the smaller.
  std::sort(splices.begin(), splices.end(),
            [](const Splice& a, const Splice& b) {
              if (a.position != b.position) return a.position < b.position;
              return a.load > b.load;
            });
  moved_.resize(replica_loads.size());
  const double* read = replica_loads.begin();
  double* write = moved_.data();
  for (const Splice& splice : splices) {
    // Experts with equal replica loads leave the same block, the second one
    // from where the first has stopped.
    if (splice.position > read) {
      write = std::copy(read, splice.position, write);
      read = splice.position;
    }
    write = std::fill_n(write, splice.num_new, splice.load);
    read += splice.num_old;
  }
  std::copy(read, replica_loads.end(), write);
  return moved_;
}

}  // namespace eplb
