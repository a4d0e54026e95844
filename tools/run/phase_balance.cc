#include "tools/run/phase_balance.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "tools/rank_loads.h"

namespace eplb {

PhaseBalance::PhaseBalance(int num_layers, int num_ranks)
    : num_ranks_(num_ranks) {
  before_.rank_loads.resize(static_cast<size_t>(num_layers) * num_ranks_);
  after_ = before_;
}

void PhaseBalance::AddLayer(int layer, absl::Span<const int64_t> rank_loads) {
  const std::vector<double> loads(rank_loads.begin(), rank_loads.end());
  const double balancedness = Balancedness(loads);
  if (balancedness > 0) layers_.Add(balancedness);
  double* const sums = &phase().rank_loads[layer * num_ranks_];
  for (size_t rank = 0; rank < num_ranks_; ++rank) sums[rank] += loads[rank];
}

void PhaseBalance::EndStep(bool switched) {
  if (layers_.count > 0) {
    now_ = layers_.mean();
    phase().balancedness.Add(now_);
  }
  if (history_.size() < kMaxHistory) history_.push_back(layers_.mean());
  layers_ = {};
  if (!switched) return;
  // What counts is the time since the last switch.
  has_switched_ = true;
  after_.balancedness = {};
  after_.rank_loads.assign(after_.rank_loads.size(), 0);
}

}  // namespace eplb
