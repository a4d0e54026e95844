// PassRecorder: takes the counts of each forward pass into a window of loads.
//
// Counters that the host can read are read at once. Those in memory of a device
// come to the host behind the pass, and nobody waits for them: they enter the
// window a step or two later, as loads under the placement that routed them all
// the same.
//
//   EPLB_RETURN_IF_ERROR(recorder.Record(stream, deadline, window));
//   recorder.SetLayer(layer, experts_of_slots);  // For later passes.
//   ...
//   EPLB_RETURN_IF_ERROR(recorder.Finish(deadline, window));
//   window.Sums();  // With all passes so far.

#ifndef EPLB_STATE_PASS_RECORDER_H_
#define EPLB_STATE_PASS_RECORDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/load/load_recorder.h"
#include "eplb/load/load_window.h"
#include "eplb/state/pass_counters.h"
#include "kernels/device.h"

namespace eplb {

// Movable. Thread-compatible.
class PassRecorder {
 public:
  // Takes pinned memory of `device` where `counters` are not on the host.
  static absl::StatusOr<PassRecorder> Create(Device& device,
                                             PassCounters counters,
                                             LoadRecorder recorder);

  const PassCounters& counters() const { return counters_; }
  // Whether Read and the window lag behind the pass.
  bool is_late() const { return !counters_.is_on_host(); }

  // What the slots of `layer` hold, for the passes that are recorded from now
  // on. Those that are on their way count as before.
  void SetLayer(int layer, absl::Span<const int32_t> experts_of_slots);

  // The pass on `stream` is over: it enters `window`, and its counters become
  // 0. Waits for an earlier pass where too many are on their way; where it
  // cannot, the counts stay, and the next pass has them.
  absl::Status Record(Stream& stream, SteadyTime deadline, LoadWindow& window);

  // The pass is over, and counts for nothing.
  absl::Status Drop(Stream& stream);

  // Waits until all passes have entered `window`.
  absl::Status Finish(SteadyTime deadline, LoadWindow& window);

  // The counts of this pass; where they are late, those of the one before,
  // which is waited for. They hold until the next call.
  absl::StatusOr<PassCounts> Read(SteadyTime deadline, LoadWindow& window);

 private:
  // So many passes may be on their way.
  static constexpr int kMaxLate = 2;

  struct LatePass {
    DeviceBuffer counts;  // Pinned.
    std::unique_ptr<DeviceEvent> copied;
  };
  struct LayerChange {
    int64_t first_pass = 0;  // That it is for.
    int layer = 0;
    std::vector<int32_t> experts_of_slots;
  };

  PassRecorder(PassCounters counters, LoadRecorder recorder);

  // Enters what has come to the host, and waits until no more than `may_stay`
  // passes are on their way.
  absl::Status Enter(int may_stay, SteadyTime deadline, LoadWindow& window);
  absl::Status Send(Stream& stream);
  void ApplyChanges();
  LatePass& late(int64_t pass) { return late_[pass % kMaxLate]; }

  PassCounters counters_;
  LoadRecorder recorder_;
  // Passes from num_entered_ to num_sent_ are on their way.
  int64_t num_sent_ = 0;
  int64_t num_entered_ = 0;
  std::array<LatePass, kMaxLate> late_;
  std::deque<LayerChange> changes_;
  // The last pass that entered, and whether a later one was dropped.
  std::vector<int32_t> latest_;
  bool has_dropped_ = false;
};

}  // namespace eplb

#endif  // EPLB_STATE_PASS_RECORDER_H_
