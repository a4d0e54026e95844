#include "tools/report/hot_experts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {
namespace {

bool IsHotter(const HotExpert& a, const HotExpert& b) {
  return std::make_tuple(-a.load_over_mean, a.layer, a.expert) <
         std::make_tuple(-b.load_over_mean, b.layer, b.expert);
}

}  // namespace

std::vector<HotExpert> HottestExperts(absl::Span<const double> loads,
                                      const Placement& placement, int num_ranks,
                                      int count) {
  const int num_experts = placement.num_logical_experts();
  std::vector<HotExpert> hottest;
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const absl::Span<const double> row =
        loads.subspan(static_cast<size_t>(layer) * num_experts, num_experts);
    const double mean =
        std::accumulate(row.begin(), row.end(), 0.0) / num_experts;
    for (int expert = 0; expert < num_experts; ++expert) {
      if (row[expert] == 0) continue;
      hottest.push_back({.layer = layer,
                         .expert = expert,
                         .load_over_mean = row[expert] / mean});
    }
  }
  const size_t kept = std::min<size_t>(hottest.size(), count);
  std::partial_sort(hottest.begin(), hottest.begin() + kept, hottest.end(),
                    IsHotter);
  hottest.resize(kept);
  const int slots_per_rank = placement.num_slots() / num_ranks;
  for (HotExpert& hot : hottest) {
    for (const int32_t slot :
         placement.slots_of_expert(hot.layer, hot.expert)) {
      hot.ranks.push_back(slot / slots_per_rank);
    }
  }
  return hottest;
}

}  // namespace eplb
