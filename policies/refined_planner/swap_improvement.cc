#include "policies/refined_planner/swap_improvement.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "policies/refined_planner/rank_packing.h"
#include "policies/refined_planner/replica_list.h"

namespace eplb {
namespace {

// An exchange that gains less than this share of the rank load is no progress:
// rounding could undo and redo it for ever.
constexpr double kSmallestGain = 1e-9;

// Pairs differ by finer steps than single replicas do, but take much longer to
// find. They are for when a single exchange leaves more than this share of what
// a rank has above the wanted load.
constexpr double kStalled = 0.8;

// In evaluations: to look for an exchange of one replica; and of two, besides
// what the pairs take.
constexpr int64_t kSingleCost = 4;
constexpr int64_t kDoubleCost = 4;

using ReplicaPair = std::array<int32_t, 2>;

bool MayExchange(const RankPacking& packing, const ReplicaPair& given,
                 const ReplicaPair& taken) {
  const int rank = packing.rank_of(given[0]);
  const int other = packing.rank_of(taken[0]);
  return packing.MayJoin(given[0], other, taken[0], taken[1]) &&
         packing.MayJoin(given[1], other, taken[0], taken[1]) &&
         packing.MayJoin(taken[0], rank, given[0], given[1]) &&
         packing.MayJoin(taken[1], rank, given[0], given[1]);
}

}  // namespace

void SwapImprovement::Improve(RankPacking& packing, double wanted_rank_load,
                              int64_t& evaluations_left) {
  for (;;) {
    const int rank = packing.MostLoadedRank();
    if (packing.rank_load(rank) <= wanted_rank_load) return;
    if (evaluations_left <= 0) return;
    evaluations_left -= kSingleCost;
    Exchange exchange = FindSingle(packing, rank, wanted_rank_load);
    const double stalled_above =
        wanted_rank_load +
        kStalled * (packing.rank_load(rank) - wanted_rank_load);
    if (exchange.larger_load > stalled_above && packing.slots_per_rank() > 1) {
      exchange = FindDouble(packing, rank, wanted_rank_load, exchange,
                            evaluations_left);
    }
    if (exchange.size == 0) return;
    for (int i = 0; i < exchange.size; ++i) {
      packing.Swap(exchange.given[i], exchange.taken[i]);
    }
  }
}

// Replicas are numbered by falling load, so the partners of a replica follow it
// in the list, from the smallest effect to the largest.
SwapImprovement::Exchange SwapImprovement::FindSingle(
    const RankPacking& packing, int rank, double wanted_rank_load) const {
  const ReplicaList& replicas = packing.replicas();
  const double load = packing.rank_load(rank);
  const double least_load = packing.rank_load(packing.LeastLoadedRank());
  Exchange best;
  best.larger_load = load * (1.0 - kSmallestGain);
  for (const int32_t given : packing.replicas_on(rank)) {
    const double given_load = replicas.load(given);
    for (int taken = given + 1; taken < replicas.size(); ++taken) {
      const double moved = given_load - replicas.load(taken);
      if (least_load + moved >= best.larger_load) break;
      const int other = packing.rank_of(taken);
      const double larger =
          std::max(load - moved, packing.rank_load(other) + moved);
      if (larger >= best.larger_load || other == rank) continue;
      if (!packing.MayJoin(given, other, taken, taken) ||
          !packing.MayJoin(taken, rank, given, given)) {
        continue;
      }
      best = {{given}, {taken}, 1, larger};
      if (larger <= wanted_rank_load) return best;
    }
  }
  return best;
}

// Returns a better exchange than `best`, or `best`.
SwapImprovement::Exchange SwapImprovement::FindDouble(
    const RankPacking& packing, int rank, double wanted_rank_load,
    Exchange best, int64_t& evaluations_left) {
  if (packing.slots_per_rank() == 2) {
    // All that they hold: the two ranks would only change names, and what
    // rounding makes of that is below the smallest gain.
    evaluations_left -= kDoubleCost;
    return best;
  }
  given_.Assign(packing, rank);
  // The rank with the most room first: there an exchange that suffices is most
  // likely. A heap, because mostly few ranks are looked at.
  const auto more_loaded = [&packing](int32_t a, int32_t b) {
    const double load_a = packing.rank_load(a);
    const double load_b = packing.rank_load(b);
    return load_a != load_b ? load_a > load_b : a > b;
  };
  std::iota(ranks_.begin(), ranks_.end(), 0);
  std::make_heap(ranks_.begin(), ranks_.end(), more_loaded);
  const int64_t size = packing.slots_per_rank();
  const int64_t pairs = size * (size - 1) / 2;
  int64_t looked_at = 0;
  for (auto end = ranks_.end(); end != ranks_.begin(); --end) {
    const int32_t other = ranks_.front();
    if (packing.rank_load(other) >= best.larger_load) break;
    std::pop_heap(ranks_.begin(), end, more_loaded);
    ++looked_at;
    if (FindDoubleWith(packing, rank, other, wanted_rank_load, best)) break;
  }
  evaluations_left -= kDoubleCost + looked_at * pairs / packing.num_ranks();
  return best;
}

// True when an exchange was found that leaves both ranks with the wanted load.
// For each pair to give, one walk from both ends of the partner's replicas
// meets the pairs of about the right load.
bool SwapImprovement::FindDoubleWith(const RankPacking& packing, int rank,
                                     int other, double wanted_rank_load,
                                     Exchange& best) {
  const double load = packing.rank_load(rank);
  const double other_load = packing.rank_load(other);
  const double half_difference = 0.5 * (load - other_load);
  taken_.Assign(packing, other);
  const std::vector<double>& taken = taken_.loads;
  const int size = packing.slots_per_rank();
  const double least_taken = taken[size - 1] + taken[size - 2];
  for (int i = 0; i + 1 < size; ++i) {
    for (int j = i + 1; j < size; ++j) {
      const double given = given_.loads[i] + given_.loads[j];
      if (load - (given - least_taken) >= best.larger_load) break;
      int hot = 0;
      int cold = size - 1;
      while (hot < cold) {
        const double moved = given - (taken[hot] + taken[cold]);
        const double larger = std::max(load - moved, other_load + moved);
        if (larger < best.larger_load) {
          const ReplicaPair give = {given_.replicas[i], given_.replicas[j]};
          const ReplicaPair take = {taken_.replicas[hot],
                                    taken_.replicas[cold]};
          if (MayExchange(packing, give, take)) {
            best = {give, take, 2, larger};
            if (larger <= wanted_rank_load) return true;
          }
        }
        // A hotter pair to take, or a colder one. As arithmetic, because the
        // branch would be as good as random.
        const int hotter = moved > half_difference ? 1 : 0;
        cold -= hotter;
        hot += 1 - hotter;
      }
    }
  }
  return false;
}

void SwapImprovement::SortedRank::Assign(const RankPacking& packing, int rank) {
  const absl::Span<const int32_t> on_rank = packing.replicas_on(rank);
  replicas.assign(on_rank.begin(), on_rank.end());
  std::sort(replicas.begin(), replicas.end());
  loads.resize(replicas.size());
  for (size_t i = 0; i < replicas.size(); ++i) {
    loads[i] = packing.replicas().load(replicas[i]);
  }
}

}  // namespace eplb
