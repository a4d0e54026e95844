#include "tools/run/phase_balance.h"

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "tools/rank_loads.h"

namespace eplb {

void PhaseBalance::AddLayer(absl::Span<const int64_t> rank_loads) {
  const std::vector<double> loads(rank_loads.begin(), rank_loads.end());
  const double balancedness = Balancedness(loads);
  if (balancedness > 0) layers_.Add(balancedness);
}

void PhaseBalance::EndStep(bool switched) {
  if (layers_.count > 0) {
    now_ = layers_.mean();
    (has_switched_ ? after_ : before_).Add(now_);
    layers_ = {};
  }
  if (!switched) return;
  // What counts is the time since the last switch.
  has_switched_ = true;
  after_ = {};
}

}  // namespace eplb
