// TraceWindow: sums over a range of steps that moves forward.
//
//   TraceWindow window(trace);
//   EPLB_ASSIGN_OR_RETURN(ExpertLoads loads, window.Sum(0, 100));
//   EPLB_ASSIGN_OR_RETURN(loads, window.Sum(50, 150));

#ifndef EPLB_TOOLS_SIMULATION_TRACE_WINDOW_H_
#define EPLB_TOOLS_SIMULATION_TRACE_WINDOW_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

// Reads each step at most twice, however often the range moves.
// Thread-compatible.
class TraceWindow {
 public:
  // `trace` is borrowed; the loads of all of its steps add up to no more than
  // ExpertLoads::kMaxLoad.
  explicit TraceWindow(const RecordedLoads& trace)
      : trace_(trace), sums_(trace.step(0).size()) {}

  // The loads of the steps [begin, end). Neither is smaller than in the call
  // before. InvalidArgument when a layer's total does not fit.
  absl::StatusOr<ExpertLoads> Sum(int64_t begin, int64_t end);

 private:
  // Adds the loads of the steps [begin, end), `sign` times.
  void Add(int64_t begin, int64_t end, int64_t sign);

  const RecordedLoads& trace_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  std::vector<int64_t> sums_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_SIMULATION_TRACE_WINDOW_H_
