// How unevenly the experts of a layer are loaded.
//
//   LoadSkew skew = MeasureSkew(loads.layer(3), /*num_hottest=*/3);
//   skew.max_over_mean;  // 8.4

#ifndef EPLB_TOOLS_LOAD_SKEW_H_
#define EPLB_TOOLS_LOAD_SKEW_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

struct LoadSkew {
  int64_t total_load = 0;
  // The largest load over the mean load; 0 for a layer without load.
  double max_over_mean = 0;
  // Experts without load.
  int idle_experts = 0;
  // By falling load, of equal ones the lower number first.
  std::vector<int> hottest_experts;
};

// The sum of `loads` fits into int64.
LoadSkew MeasureSkew(absl::Span<const int64_t> loads, int num_hottest);

}  // namespace eplb

#endif  // EPLB_TOOLS_LOAD_SKEW_H_
