// HottestExperts: which experts get the most, and where their replicas sit.
//
//   for (const HotExpert& hot :
//        HottestExperts(loads, placement, num_ranks, /*count=*/20)) ...

#ifndef EPLB_TOOLS_REPORT_HOT_EXPERTS_H_
#define EPLB_TOOLS_REPORT_HOT_EXPERTS_H_

#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"

namespace eplb {

struct HotExpert {
  int layer = 0;
  int expert = 0;
  // Its load over the mean of its layer's experts.
  double load_over_mean = 0;
  // The rank of each of its replicas, rising.
  std::vector<int> ranks = {};
};

// At most `count` experts that have load, by falling load over the mean; of
// equal ones the lower layer, then the lower expert first. `loads` is [layers,
// experts] row-major; slots divide by `num_ranks`.
std::vector<HotExpert> HottestExperts(absl::Span<const double> loads,
                                      const Placement& placement, int num_ranks,
                                      int count);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_HOT_EXPERTS_H_
