// PhaseBalance: how even the ranks were before the first rearrangement, and
// since the last one.
//
//   PhaseBalance balance;
//   balance.AddLayer(dispatch.rank_loads());  // For each layer of a step.
//   balance.EndStep(rearranged);

#ifndef EPLB_TOOLS_RUN_PHASE_BALANCE_H_
#define EPLB_TOOLS_RUN_PHASE_BALANCE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// Means over steps of the balancedness of a step: over its layers that had
// tokens, the mean of mean rank load over largest. Thread-compatible.
class PhaseBalance {
 public:
  // The tokens that each rank worked on.
  void AddLayer(absl::Span<const int64_t> rank_loads);

  // `switched`: after the step a layer changed its placement.
  void EndStep(bool switched);

  // 0 when there was no step.
  double before() const { return before_.mean(); }
  double after() const { return after_.mean(); }
  // Of the last step that had tokens.
  double now() const { return now_; }

 private:
  struct Mean {
    double sum = 0;
    int64_t count = 0;

    void Add(double value) {
      sum += value;
      ++count;
    }
    double mean() const {
      return count == 0 ? 0 : sum / static_cast<double>(count);
    }
  };

  Mean layers_;  // Of the step that is on.
  Mean before_;
  Mean after_;
  double now_ = 0;
  bool has_switched_ = false;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_PHASE_BALANCE_H_
