// ObtainTrace: the loads a command works on, from a file or made up.
//
//   EPLB_ASSIGN_OR_RETURN(
//       RecordedLoads trace,
//       ObtainTrace({.traffic = "zipf:1.0,drift=0.99", .steps = 400}, output));

#ifndef EPLB_TOOLS_TRAFFIC_SOURCE_H_
#define EPLB_TOOLS_TRAFFIC_SOURCE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "eplb/load/recorded_loads.h"
#include "tools/command/command_output.h"

namespace eplb {

struct TrafficSource {
  // Of synthetic traffic, the tokens of a step that a layer's router hands to
  // experts: 4,096 tokens that go to eight experts each.
  static constexpr int64_t kTokensPerLayer = 4096 * 8;

  // What testing/traffic.h describes, or file:FILE.
  std::string traffic;
  // The sizes of synthetic traffic.
  int layers = 4;
  int experts = 64;
  int steps = 400;
  int seed = 1;

  // The file that the traffic is in; empty when it is synthetic.
  std::string file() const;
};

// All steps. Warnings and progress go to `output`. InvalidArgument for what is
// no traffic, and for more than RecordedShape::kMaxEntries loads; else what
// the file's reader says.
absl::StatusOr<RecordedLoads> ObtainTrace(const TrafficSource& source,
                                          CommandOutput& output);

}  // namespace eplb

#endif  // EPLB_TOOLS_TRAFFIC_SOURCE_H_
