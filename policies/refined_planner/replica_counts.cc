#include "policies/refined_planner/replica_counts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/balancedness_bound.h"

namespace eplb {

void ReplicaCountChooser::FillMinMax(const LayerExperts& experts, int num_slots,
                                     double smallest_largest_replica,
                                     std::vector<int32_t>& counts) {
  // Only experts that tie at the largest replica load are left to choose from,
  // and those that the number of ranks holds back.
  FillUnderCap(experts, num_slots, smallest_largest_replica,
               SpareSlots::kToHottest, counts);
}

bool ReplicaCountChooser::FillUnderCap(const LayerExperts& experts,
                                       int num_slots, double cap,
                                       SpareSlots spare,
                                       std::vector<int32_t>& counts) {
  int64_t num_spare = num_slots - experts.size();
  counts.assign(experts.size(), 1);
  for (const int32_t expert : experts.by_falling_load()) {
    if (experts.load(expert) <= cap) break;
    const int64_t count = std::min<int64_t>(
        SmallestReplicaCount(experts.load(expert), cap), num_ranks_);
    num_spare -= count - 1;
    if (num_spare < 0) return false;
    counts[expert] = static_cast<int32_t>(count);
  }
  const int left = static_cast<int>(num_spare);
  switch (spare) {
    case SpareSlots::kToHottest:
      GiveToHottest(experts, left, counts);
      break;
    case SpareSlots::kToColdest:
      GiveToColdest(experts, left, counts);
      break;
    case SpareSlots::kHalfToEach:
      GiveToHottest(experts, left / 2, counts);
      GiveToColdest(experts, left - left / 2, counts);
      break;
  }
  return true;
}

void ReplicaCountChooser::GiveToHottest(const LayerExperts& experts,
                                        int num_spare,
                                        std::vector<int32_t>& counts) {
  if (num_spare == 0) return;
  // No more than the `num_spare` hottest unreplicated experts can be reached.
  const auto colder = [](const Replica& a, const Replica& b) {
    return a.load != b.load ? a.load < b.load : a.expert > b.expert;
  };
  heap_.clear();
  int unreplicated = 0;
  for (const int32_t expert : experts.by_falling_load()) {
    if (counts[expert] == 1 && ++unreplicated > num_spare) break;
    if (counts[expert] < num_ranks_) {
      heap_.push_back({experts.load(expert) / counts[expert], expert});
    }
  }
  std::make_heap(heap_.begin(), heap_.end(), colder);
  for (int i = 0; i < num_spare && !heap_.empty(); ++i) {
    std::pop_heap(heap_.begin(), heap_.end(), colder);
    const int32_t expert = heap_.back().expert;
    const int32_t count = ++counts[expert];
    if (count == num_ranks_) {
      heap_.pop_back();
      continue;
    }
    heap_.back().load = experts.load(expert) / count;
    std::push_heap(heap_.begin(), heap_.end(), colder);
  }
}

void ReplicaCountChooser::GiveToColdest(const LayerExperts& experts,
                                        int num_spare,
                                        std::vector<int32_t>& counts) const {
  const absl::Span<const int32_t> order = experts.by_falling_load();
  while (num_spare > 0) {
    for (int i = experts.size() - 1; i >= 0 && num_spare > 0; --i) {
      if (counts[order[i]] == num_ranks_) continue;
      ++counts[order[i]];
      --num_spare;
    }
  }
}

}  // namespace eplb
