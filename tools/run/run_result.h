// RunResult: what `eplb run` reports at its end.

#ifndef EPLB_TOOLS_RUN_RUN_RESULT_H_
#define EPLB_TOOLS_RUN_RUN_RESULT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// What one rank saw.
struct RankFigures {
  int64_t weights_verified = 1;  // Whether; ranks gather these as numbers.
  int64_t outputs_match = 1;
  int64_t slots_checked = 0;
  int64_t outputs_checked = 0;
  // Of a serving thread in Step, at a time and in all.
  int64_t longest_stall_ns = 0;
  int64_t total_stall_ns = 0;

  // Takes in what other ranks saw: all must be right, checks add up, and the
  // longest stalls stay. All ranks call.
  absl::Status Gather(Communicator& communicator, SteadyTime deadline);
};

struct RunResult {
  std::string backend;
  int num_ranks = 0;
  int64_t steps = 0;
  std::string policy;
  bool use_async = false;
  // Of the steps up to the first rearrangement, and of those since the last
  // layer switched; 0 where there are none.
  double balancedness_before = 0;
  double balancedness_after = 0;
  int64_t rearrangements = 0;
  int64_t moved_slots = 0;
  int64_t moved_bytes = 0;
  RankFigures figures;
  // What became of the files that rank 0 was to write.
  absl::Status files_written = {};

  double longest_stall_seconds() const {
    return static_cast<double>(figures.longest_stall_ns) * 1e-9;
  }
  double total_stall_seconds() const {
    return static_cast<double>(figures.total_stall_ns) * 1e-9;
  }
};

// One object, "eplb.run/1".
std::string RunResultJson(const RunResult& result);

// A table to read.
std::string RunResultText(const RunResult& result, bool color);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_RESULT_H_
