#include "tools/load_skew.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

LoadSkew MeasureSkew(absl::Span<const int64_t> loads, int num_hottest) {
  LoadSkew skew;
  const int num_experts = static_cast<int>(loads.size());
  skew.total_load = std::accumulate(loads.begin(), loads.end(), int64_t{0});
  skew.idle_experts =
      static_cast<int>(std::count(loads.begin(), loads.end(), 0));
  std::vector<int>& hottest = skew.hottest_experts;
  hottest.resize(num_experts);
  std::iota(hottest.begin(), hottest.end(), 0);
  const int kept = std::min(num_hottest, num_experts);
  std::partial_sort(hottest.begin(), hottest.begin() + kept, hottest.end(),
                    [&](int a, int b) {
                      return loads[a] != loads[b] ? loads[a] > loads[b] : a < b;
                    });
  if (skew.total_load > 0) {
    skew.max_over_mean = static_cast<double>(loads[hottest[0]]) * num_experts /
                         static_cast<double>(skew.total_load);
  }
  hottest.resize(kept);
  return skew;
}

}  // namespace eplb
