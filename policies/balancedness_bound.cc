#include "policies/balancedness_bound.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace eplb {
namespace {

using HotLoads = std::vector<double>;

// Many loads of 2^53 do not fit in 64 bits. Two halves always do, and
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

// Puts the loads that may need a second replica in `hot`. Returns a share of
// load per slot that the answer cannot be below: even if replicas could be cut
// at will, `hot.size() + num_redundant` slots would have to carry all hot
// loads. A load under the share needs no second replica, and without it the
// share of the others only grows.
double KeepHotLoads(absl::Span<const int64_t> loads, int64_t num_redundant,
                    HotLoads& hot) {
  const auto share_of = [num_redundant](double sum, size_t size) {
    return sum /
           static_cast<double>(static_cast<int64_t>(size) + num_redundant);
  };
  double share = share_of(TotalLoad(loads), loads.size());
  double sum = 0.0;
  hot.resize(loads.size());
  size_t size = 0;
  for (const int64_t load : loads) {
    // Always written and only sometimes counted: no branch to mispredict.
    const double value = static_cast<double>(load);
    hot[size] = value;
    size += value >= share ? 1 : 0;
  }
  for (size_t before = 0; before != size;) {
    before = size;
    sum = 0.0;
    for (size_t i = 0; i < size; ++i) sum += hot[i];
    share = share_of(sum, size);
    size = 0;
    for (size_t i = 0; i < before; ++i) {
      const double value = hot[i];
      hot[size] = value;
      size += value >= share ? 1 : 0;
    }
  }
  hot.resize(size);
  return share;
}

// A cap under which the smallest counts of the hot loads take about
// `num_slots`.
double GuessCap(const HotLoads& hot, double share, int64_t num_slots) {
  // Counts are rounded up by half a slot on average.
  const double wanted = static_cast<double>(num_slots);
  double cap =
      share * wanted / (wanted - 0.5 * static_cast<double>(hot.size()));
  // More rounds cost more than the last few steps from the guess.
  constexpr int kRounds = 2;
  for (int round = 0; round < kRounds; ++round) {
    const double per_load = 1.0 / cap;
    int64_t slots = static_cast<int64_t>(hot.size());
    for (const double load : hot) {
      slots += static_cast<int32_t>(load * per_load);
    }
    cap = cap * static_cast<double>(slots) / wanted;
  }
  return cap;
}

// Hot experts with the smallest counts under some cap. Going through all such
// states, from one replica load to the next, is what giving slots one by one to
// the largest replica does.
class SmallestCounts {
 public:
  SmallestCounts(const HotLoads& hot, double cap) {
    experts_.reserve(hot.size());
    for (const double load : hot) {
      const int64_t count = SmallestReplicaCount(load, cap);
      experts_.push_back({load, count, load / static_cast<double>(count)});
      slots_ += count;
    }
  }

  int64_t slots() const { return slots_; }

  double LargestReplica() const {
    double largest = 0.0;
    for (const Expert& expert : experts_) {
      largest = std::max(largest, expert.replica);
    }
    return largest;
  }

  int64_t NumWithReplica(double replica) const {
    return std::count_if(
        experts_.begin(), experts_.end(),
        [replica](const Expert& expert) { return expert.replica == replica; });
  }

  // One replica more for each expert whose replicas carry `replica`.
  void SplitAll(double replica) {
    for (Expert& expert : experts_) {
      if (expert.replica == replica) SetCount(expert, expert.count + 1);
    }
  }

  // One replica less for the experts whose replicas grow the least by it.
  void MergeSmallest() {
    constexpr double kNone = std::numeric_limits<double>::infinity();
    double smallest = kNone;
    const auto merged = [](const Expert& expert) {
      return expert.count == 1
                 ? kNone
                 : expert.load / static_cast<double>(expert.count - 1);
    };
    for (const Expert& expert : experts_) {
      smallest = std::min(smallest, merged(expert));
    }
    for (Expert& expert : experts_) {
      if (merged(expert) == smallest) SetCount(expert, expert.count - 1);
    }
  }

 private:
  struct Expert {
    double load;
    int64_t count;
    double replica;
  };

  void SetCount(Expert& expert, int64_t count) {
    slots_ += count - expert.count;
    expert.count = count;
    expert.replica = expert.load / static_cast<double>(count);
  }

  std::vector<Expert> experts_;
  int64_t slots_ = 0;
};

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
  SmallestCounts counts(hot, GuessCap(hot, share, hot_slots));
  while (counts.slots() > hot_slots) counts.MergeSmallest();
  for (;;) {
    const double replica = counts.LargestReplica();
    if (counts.slots() + counts.NumWithReplica(replica) > hot_slots) {
      return replica;
    }
    counts.SplitAll(replica);
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
