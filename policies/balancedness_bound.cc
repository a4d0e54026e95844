#include "policies/balancedness_bound.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"

namespace eplb {
namespace {

// Loads that may need more than one replica. The inlined part covers the
// layers met in practice, so that the common call does not allocate.
using HotLoads = absl::InlinedVector<double, 512>;

// Up to 4096 loads of 2^53 do not fit in 64 bits. Two halves always do, and
// make the sum independent of the order of addition.
double TotalLoad(absl::Span<const int64_t> loads) {
  uint64_t low = 0;
  uint64_t high = 0;
  for (const int64_t load : loads) {
    low += static_cast<uint64_t>(load) & 0xffffffffu;
    high += static_cast<uint64_t>(load) >> 32;
  }
  constexpr double kTwoTo32 = 4294967296.0;
  return static_cast<double>(high) * kTwoTo32 + static_cast<double>(low);
}

// Slots taken by the hot loads when no replica may be above `cap`.
int64_t SlotsUnder(const HotLoads& hot, double cap) {
  int64_t slots = 0;
  for (const double load : hot) slots += SmallestReplicaCount(load, cap);
  return slots;
}

struct LargestReplica {
  double load = 0.0;
  int64_t ties = 0;   // experts whose replicas carry this load
  int64_t slots = 0;  // slots of all hot loads
};

// The largest replica when every hot load has its smallest count under `cap`.
LargestReplica LargestUnder(const HotLoads& hot, double cap) {
  LargestReplica largest;
  for (const double load : hot) {
    const int64_t count = SmallestReplicaCount(load, cap);
    const double replica = load / static_cast<double>(count);
    largest.slots += count;
    if (replica > largest.load) {
      largest.load = replica;
      largest.ties = 0;
    }
    largest.ties += replica == largest.load ? 1 : 0;
  }
  return largest;
}

// The next replica load below `load` that some expert passes through when its
// count grows: the largest replica after one more for each expert at `load`.
double LargestBelow(const HotLoads& hot, double load) {
  double below = 0.0;
  for (const double expert_load : hot) {
    int64_t count = SmallestReplicaCount(expert_load, load);
    double replica = expert_load / static_cast<double>(count);
    if (replica == load) {
      replica = expert_load / static_cast<double>(count + 1);
    }
    below = std::max(below, replica);
  }
  return below;
}

// Keeps the loads that some count could split, and returns a cap below which
// the answer cannot be. Even if slots could be cut, `hot.size() + redundant` of
// them would have to carry all hot loads; a load under that share needs no
// second replica, and without it the share of the others can only grow.
double KeepHotLoads(absl::Span<const int64_t> loads, int64_t num_redundant,
                    HotLoads& hot) {
  const double total = TotalLoad(loads);
  double share =
      total /
      static_cast<double>(static_cast<int64_t>(loads.size()) + num_redundant);
  for (const int64_t load : loads) {
    const double value = static_cast<double>(load);
    if (value > share) hot.push_back(value);
  }
  for (;;) {
    double sum = 0.0;
    for (const double load : hot) sum += load;
    const size_t size = hot.size();
    share =
        sum / static_cast<double>(static_cast<int64_t>(size) + num_redundant);
    hot.erase(std::remove_if(hot.begin(), hot.end(),
                             [share](double load) { return load < share; }),
              hot.end());
    if (hot.size() == size) return share;
  }
}

}  // namespace

double SmallestLargestReplicaLoad(absl::Span<const int64_t> loads,
                                  int64_t num_slots) {
  if (loads.empty()) return 0.0;
  const int64_t largest = *std::max_element(loads.begin(), loads.end());
  const int64_t num_redundant = num_slots - static_cast<int64_t>(loads.size());
  if (largest == 0 || num_redundant <= 0) return static_cast<double>(largest);

  HotLoads hot;
  const double share = KeepHotLoads(loads, num_redundant, hot);
  const int64_t hot_slots = static_cast<int64_t>(hot.size()) + num_redundant;

  // Counts are rounded up by half a slot on average: the first guess.
  double too_low = share * 0.5;
  double feasible = static_cast<double>(largest);
  double guess =
      share * static_cast<double>(hot_slots) /
      (static_cast<double>(hot_slots) - 0.5 * static_cast<double>(hot.size()));
  // Each round either halves the bracket or comes within a few slots, from
  // where walking down one replica load at a time is exact and cheaper.
  constexpr int64_t kSlotsToWalk = 2;
  constexpr int kMaxRounds = 60;
  for (int round = 0; round < kMaxRounds; ++round) {
    if (!(guess > too_low && guess < feasible)) break;
    const int64_t slots = SlotsUnder(hot, guess);
    (slots <= hot_slots ? feasible : too_low) = guess;
    if (slots <= hot_slots && hot_slots - slots <= kSlotsToWalk) break;
    const double scaled =
        guess * static_cast<double>(slots) / static_cast<double>(hot_slots);
    guess =
        round < 4 && slots != hot_slots && scaled > too_low && scaled < feasible
            ? scaled
            : too_low + 0.5 * (feasible - too_low);
  }
  for (;;) {
    const LargestReplica now = LargestUnder(hot, feasible);
    if (now.slots + now.ties > hot_slots) return now.load;
    feasible = LargestBelow(hot, now.load);
  }
}

double BalancednessBound(absl::Span<const int64_t> loads, int64_t num_slots,
                         int64_t num_ranks) {
  const double total = TotalLoad(loads);
  if (total <= 0.0) return 1.0;
  const double mean = total / static_cast<double>(num_ranks);
  const double replica = SmallestLargestReplicaLoad(loads, num_slots);
  return replica > mean ? mean / replica : 1.0;
}

}  // namespace eplb
