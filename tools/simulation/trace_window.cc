#include "tools/simulation/trace_window.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"

namespace eplb {

void TraceWindow::Add(int64_t begin, int64_t end, int64_t sign) {
  for (int64_t step = begin; step < end; ++step) {
    const absl::Span<const int64_t> loads = trace_.step(step);
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += sign * loads[i];
  }
}

absl::StatusOr<ExpertLoads> TraceWindow::Sum(int64_t begin, int64_t end) {
  // Steps that the range has passed by altogether are not read.
  Add(begin_, std::min(begin, end_), -1);
  Add(std::max(begin, end_), end, 1);
  begin_ = begin;
  end_ = end;
  return ExpertLoads::Create(trace_.num_layers(), trace_.num_logical_experts(),
                             sums_);
}

}  // namespace eplb
