// CallGate: the rules about calls that every communicator keeps, in one place:
// one at a time, none after an error, none left when it is destroyed.
//
//   absl::Status Barrier(SteadyTime deadline) override {
//     EPLB_RETURN_IF_ERROR(gate_.Enter("Barrier"));
//     return gate_.Leave(BarrierOverTheWire(deadline));
//   }

#ifndef EPLB_COLLECTIVES_CALL_GATE_H_
#define EPLB_COLLECTIVES_CALL_GATE_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

// `reason`, or an error in the place of OK: an abort without a reason must
// still end calls.
absl::Status AbortReason(absl::Status reason);

// What a call of `operation`, a name, fails with after `first_error`:
// FailedPrecondition that quotes it.
absl::Status AfterEarlierError(absl::string_view operation,
                               const absl::Status& first_error);

// Thread-safe.
class CallGate {
 public:
  // Begins a call of `operation`, a literal. FailedPrecondition when the gate
  // is poisoned, quoting the first error, or when another call is pending.
  absl::Status Enter(absl::string_view operation);

  // Ends the call that Enter began. Returns its result; an error poisons the
  // gate, and where Poison came first during the call, that reason is the
  // result.
  absl::Status Leave(absl::Status result);

  // As Leave, for an error that leaves the communicator as good as before.
  absl::Status LeaveUsable(absl::Status result);

  // Every later Enter fails quoting `reason`, an error, unless there was one
  // before; then nothing happens.
  void Poison(absl::Status reason);

  // OK, or the first error.
  absl::Status first_error() const;

  bool has_pending_call() const;

  // Blocks until no call is pending.
  void WaitUntilIdle();

 private:
  mutable absl::Mutex mutex_;
  absl::CondVar idle_;
  absl::string_view pending_ ABSL_GUARDED_BY(mutex_);  // Empty: none.
  absl::Status first_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CALL_GATE_H_
