// InProcessChannel: where the ranks of one in-process communicator meet. Each
// operation goes through one or two phases that all ranks leave together:
//
//   InProcessCall& call = channel.BeginCall(rank);
//   call = ...;                                   // What this rank asks for.
//   EPLB_RETURN_IF_ERROR(channel.Meet(rank, deadline));
//   ... channel.CallOf(rank, peer) ...            // What the others ask for.
//   return channel.Copy(rank, deadline, [&] { ... });
//
// Meet ends when all ranks have called and agree. Inside Copy the memory that
// the calls point to may be touched; it returns when all ranks have finished,
// or after a failure when none is copying any more.

#ifndef EPLB_COLLECTIVES_IN_PROCESS_CHANNEL_H_
#define EPLB_COLLECTIVES_IN_PROCESS_CHANNEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/in_process_call.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe in this way: each rank makes one call at a time; Fail, has_failed
// and AwaitedRanks may come from any thread.
class InProcessChannel {
 public:
  static constexpr int kMaxRanks = 512;

  // `clock` outlives the channel.
  InProcessChannel(std::string name, int num_ranks, Clock& clock);
  ~InProcessChannel();
  InProcessChannel(const InProcessChannel&) = delete;
  InProcessChannel& operator=(const InProcessChannel&) = delete;

  const std::string& name() const { return name_; }
  int num_ranks() const { return static_cast<int>(seats_.size()); }
  Clock& clock() const { return clock_; }

  // The next call of `rank`, to be filled before Meet. Scalars still hold what
  // the call before the last left; the caller sets all that count.
  InProcessCall& BeginCall(int rank);

  // Waits until all ranks have called, and compares the calls.
  absl::Status Meet(int rank, SteadyTime deadline);

  // What `peer` asks for in the operation that `rank` has met for. The inline
  // bytes stay valid until `rank` meets again; the memory it points to, only
  // inside Copy.
  const InProcessCall& CallOf(int rank, int peer) const;

  // Runs `copy`, which calls has_failed now and then, and waits until all
  // ranks have done so.
  absl::Status Copy(int rank, SteadyTime deadline,
                    absl::FunctionRef<absl::Status()> copy);

  // After meeting for a Clone: the channel of the clone.
  std::shared_ptr<InProcessChannel> Clone(int rank) const;

  // Ends the pending and all later operations: `rank` fails with `own`, the
  // others with `others`. The first failure stays.
  void Fail(int rank, absl::Status own, absl::Status others);

  // As above, the others with the same code and a message that names `rank`.
  void Fail(int rank, absl::Status status);

  bool has_failed() const;

  // Who has not done yet what `rank` has, and waits for; from any thread.
  std::vector<int> AwaitedRanks(int rank) const;

 private:
  struct Seat;

  void PrepareClone(int rank);
  absl::Status Await(int rank, SteadyTime deadline, absl::string_view purpose);
  void AwaitSettled(Seat& seat, SteadyTime deadline);
  absl::Status AwaitQuiet(int rank);
  absl::Status LateError(int rank, absl::string_view purpose) const;
  void WakeOthers(int rank);

  const std::string name_;
  Clock& clock_;
  std::vector<std::unique_ptr<Seat>> seats_;

  // The phase, who is where in it, and whether the channel has failed, in one
  // word: a rank that gives up and a rank that starts to copy must not miss
  // each other. The layout is in the .cc file.
  std::atomic<uint64_t> state_{0};

  // Of the clone operations of odd and even number; written by the last rank
  // to arrive.
  std::shared_ptr<InProcessChannel> clones_[2];

  mutable absl::Mutex failure_mutex_;
  int failed_rank_ ABSL_GUARDED_BY(failure_mutex_) = -1;
  absl::Status own_failure_ ABSL_GUARDED_BY(failure_mutex_);
  absl::Status others_failure_ ABSL_GUARDED_BY(failure_mutex_);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_IN_PROCESS_CHANNEL_H_
