// Balancedness: how evenly the tokens of a pass, or of a window, fell on the
// ranks.
//
//   const std::vector<double> rank_loads =
//       RankLoadsOfSlots(slot_counts, num_layers, topology);
//   MeasureBalance(rank_loads, num_layers, topology).balancedness;
//
// Per layer it is the mean over the active ranks divided by the maximum; over
// layers, the mean of those that had tokens.

#ifndef EPLB_LOAD_BALANCEDNESS_H_
#define EPLB_LOAD_BALANCEDNESS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

struct LoadBalance {
  // 0 when no layer had tokens.
  double balancedness = 0;
  // The mean and the maximum over ranks, each summed over the layers.
  double avg_tokens = 0;
  double max_tokens = 0;
  // Of each layer; 0 for one without tokens.
  std::vector<double> layers;
};

// Tokens per rank, [layers, ranks] row-major, from tokens per slot, [layers,
// slots] row-major. Slots divide by the ranks.
std::vector<double> RankLoadsOfSlots(absl::Span<const int64_t> slot_counts,
                                     int num_layers, const Topology& topology);

// The same predicted from tokens per logical expert, [layers, logical experts]
// row-major: every replica gets an equal share.
std::vector<double> PredictedRankLoads(absl::Span<const int64_t> logical_counts,
                                       const Placement& placement,
                                       const Topology& topology);

// `rank_loads` is [layers, ranks] row-major.
LoadBalance MeasureBalance(absl::Span<const double> rank_loads, int num_layers,
                           const Topology& topology);

}  // namespace eplb

#endif  // EPLB_LOAD_BALANCEDNESS_H_
