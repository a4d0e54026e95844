// RollCall: after a failure the ranks tell each other, over a channel of their
// own, how many calls each has begun, so that one that gave up at its deadline
// can say for whom it waited. For a backend that does not know.
//
//   roll_call.CountCall();  // In every call.
//   ...
//   roll_call.Take();       // On every rank, on a thread that waits for
//                           // nothing else, when it learns of a failure.
//   roll_call.Result();     // "rank 3 had not called"

#ifndef EPLB_COLLECTIVES_ROLL_CALL_H_
#define EPLB_COLLECTIVES_ROLL_CALL_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe.
class RollCall {
 public:
  // All ranks of `control` call it. Answers are waited for as long as `bound`
  // on `clock`, which outlives this.
  static absl::StatusOr<std::unique_ptr<RollCall>> Create(
      Communicator& control, Clock& clock, std::chrono::nanoseconds bound,
      SteadyTime deadline);

  void CountCall() { ++num_calls_; }

  // Asks and answers, once.
  void Take();

  // Waits until Take or Leave has been called and is done. Who had begun fewer
  // calls than others, as words for a message.
  std::string Result();

  // Answers nobody any more: this rank ends. Ends Take.
  void Leave();

 private:
  RollCall(std::unique_ptr<Communicator> channel, Clock& clock,
           std::chrono::nanoseconds bound);

  std::string Ask();
  void Finish(std::string result);

  const std::unique_ptr<Communicator> channel_;
  Clock& clock_;
  const std::chrono::nanoseconds bound_;
  std::atomic<uint64_t> num_calls_ = 0;

  absl::Mutex mutex_;
  absl::CondVar finished_;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::string result_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_ROLL_CALL_H_
