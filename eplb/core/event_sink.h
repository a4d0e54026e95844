// EventSink: where the library reports what it does, as structured values.
//
// Sinks turn events into log lines, dump files, metrics or traces.

#ifndef EPLB_CORE_EVENT_SINK_H_
#define EPLB_CORE_EVENT_SINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace eplb {

// Who processed the tokens of one forward pass.
struct TokenTable {
  struct Rank {
    // Slots that hold an expert, and those of an expert with several replicas;
    // over all layers.
    int64_t experts = 0;
    int64_t replicas = 0;
  };
  struct Expert {
    int layer = 0;
    int expert = 0;
    int64_t tokens = 0;
    int num_replicas = 0;
  };

  std::vector<double> tokens;  // [layers, ranks] row-major.
  std::vector<Rank> ranks;
  // From the most tokens down, and from the fewest up.
  std::vector<Expert> hottest;
  std::vector<Expert> coldest;
};

// How evenly the tokens of one forward pass fell on the ranks.
struct StepStatistics {
  std::string model;
  int64_t step = 0;
  // Mean over max of the rank loads, averaged over the layers with tokens; 0
  // when there were none.
  double balancedness = 0;
  // Summed over the layers.
  double avg_tokens = 0;
  double max_tokens = 0;
  // Derived from logical counts and the placement, not counted per slot.
  bool predicted = false;
  // Of each layer; 0 for one without tokens.
  std::vector<double> layer_balancedness = {};
  int64_t steps_until_rearrangement = 0;
  // In the first report of a placement: what was planned for it, to be seen
  // beside what it has achieved.
  std::optional<double> balancedness_planned = std::nullopt;
  // Where it was asked for.
  std::shared_ptr<const TokenTable> table = nullptr;
};

struct RearrangementStarted {
  std::string model;
  int64_t step = 0;
  // Steps since the interval that it belongs to: in the background a run begins
  // later when another one is busy then.
  int64_t overdue_steps = 0;
};

struct RearrangementFinished {
  std::string model;
  int64_t step = 0;
  int64_t moved_slots = 0;
  int64_t moved_bytes = 0;
  double seconds = 0;
  // Of these, the policy's.
  double plan_seconds = 0;
  double balancedness_before = 0;
  double balancedness_planned = 0;
  // Of the policy: sentences for people, the same at every rearrangement that
  // has the cause.
  std::vector<std::string> warnings = {};
};

// How long the weights of a rearrangement held up the stream that it switched
// on, by the clock of the device: from the work before it to its last switch.
// After its RearrangementFinished, from the first call of the state that finds
// the device so far; none waits for it. Not of what the background switches.
struct RearrangementTimed {
  std::string model;
  int64_t step = 0;
  double device_seconds = 0;
};

// The plan promised too little, or there was nothing to plan from.
struct RearrangementSkipped {
  std::string model;
  int64_t step = 0;
  std::string reason;
  std::vector<std::string> warnings = {};
};

// The old placement goes on serving.
struct RearrangementFailed {
  std::string model;
  int64_t step = 0;
  absl::Status status;
};

// In the background: this step has waited for a sixth of the timeout to learn
// at which step all ranks switch.
struct FenceWait {
  std::string model;
  int64_t step = 0;
  double seconds = 0;
  // Whose workers have not said theirs; this rank where its own worker has not.
  std::vector<int> silent_ranks = {};
};

// In the background: something else than a rearrangement has failed, such as
// the statistics of this step, or the worker is stuck.
struct BackgroundFailed {
  int64_t step = 0;
  absl::Status status;
};

using Event =
    std::variant<StepStatistics, RearrangementStarted, RearrangementFinished,
                 RearrangementTimed, RearrangementSkipped, RearrangementFailed,
                 FenceWait, BackgroundFailed>;

// Implementations are thread-safe and do not block: the serving thread calls.
class EventSink {
 public:
  virtual ~EventSink() = default;

  virtual void Record(const Event& event) = 0;
};

}  // namespace eplb

#endif  // EPLB_CORE_EVENT_SINK_H_
