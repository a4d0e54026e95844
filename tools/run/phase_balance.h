// PhaseBalance: how even the ranks were before the first rearrangement, and
// since the last one.
//
//   PhaseBalance balance(num_layers, num_ranks);
//   balance.AddLayer(layer, pass.rank_loads(layer));  // Each, in every step.
//   balance.EndStep(rearranged);

#ifndef EPLB_TOOLS_RUN_PHASE_BALANCE_H_
#define EPLB_TOOLS_RUN_PHASE_BALANCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Means over steps of the balancedness of a step: over its layers that had
// tokens, the mean of mean rank load over largest. Thread-compatible.
class PhaseBalance {
 public:
  // What a report can use: beyond so many steps only the means go on.
  static constexpr size_t kMaxHistory = 1 << 20;

  PhaseBalance(int num_layers, int num_ranks);

  // The tokens that each rank worked on.
  void AddLayer(int layer, absl::Span<const int64_t> rank_loads);

  // `switched`: after the step a layer changed its placement.
  void EndStep(bool switched);

  // 0 when there was no step.
  double before() const { return before_.balancedness.mean(); }
  double after() const { return after_.balancedness.mean(); }
  // Of the last step that had tokens.
  double now() const { return now_; }

  // Of each step from the first; 0 for one without tokens.
  const std::vector<double>& history() const { return history_; }

  // Tokens of each phase, [layers, ranks] row-major.
  const std::vector<double>& rank_loads_before() const {
    return before_.rank_loads;
  }
  const std::vector<double>& rank_loads_after() const {
    return after_.rank_loads;
  }

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
  struct Phase {
    Mean balancedness;
    std::vector<double> rank_loads;
  };

  Phase& phase() { return has_switched_ ? after_ : before_; }

  const size_t num_ranks_;
  Mean layers_;  // Of the step that is on.
  Phase before_;
  Phase after_;
  double now_ = 0;
  std::vector<double> history_;
  bool has_switched_ = false;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_PHASE_BALANCE_H_
