// NcclOwner: one NCCL communicator with its stream, and the thread that makes
// every call on it. A call that waits for others ends at its deadline, and even
// a call of NCCL that never returns ends nothing but that thread.
//
//   NcclOwner owner(api, clock, {.device = 0});
//   EPLB_RETURN_IF_ERROR(owner.Run([id](NcclOwner::Calls& calls) {
//     return calls.Init(id, /*num_ranks=*/8, /*rank=*/3);
//   }, deadline));
//   EPLB_RETURN_IF_ERROR(owner.Run([=](NcclOwner::Calls& calls) {
//     return calls.Nccl("ncclAllReduce", [&](NcclApi& nccl) {
//       return nccl.AllReduce(..., calls.comm(), calls.stream());
//     });
//   }, deadline));
//
// After the first error the communicator is aborted, and never used again. An
// abort that takes longer than its bound is left to itself: communicator,
// stream and thread stay behind, and the error says so.

#ifndef EPLB_COLLECTIVES_NCCL_OWNER_H_
#define EPLB_COLLECTIVES_NCCL_OWNER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/nccl_api.h"
#include "eplb/core/clock.h"

namespace eplb {

struct NcclOwnerOptions {
  int device = 0;
  // NCCL is asked for its state this often; at first more often.
  std::chrono::nanoseconds poll_interval = std::chrono::milliseconds(1);
  // How long a call waits for NCCL to abort, and the destructor for it to end.
  std::chrono::nanoseconds abort_bound = std::chrono::seconds(5);
  // An operation that is under way when a peer fails or leaves may still be
  // completed from what the peer sent before: NCCL is asked this often more.
  int polls_after_peer_failure = 200;
  // A batch of the groups of an Exchange that is not done after so long ends
  // it, though its deadline may be far.
  std::chrono::nanoseconds progress_timeout = std::chrono::seconds(30);
  // How long a call that ends at its deadline asks the others who was missing.
  std::chrono::nanoseconds roll_call_bound = std::chrono::milliseconds(500);
};

// Stop and PeerFailed are thread-safe; all else is for one thread at a time.
class NcclOwner {
 public:
  class Calls;
  // Owns all that it refers to but the buffers of the operation: where NCCL
  // does not come back, it may outlive its Run.
  using Task = std::function<absl::Status(Calls&)>;

  // `clock` outlives this; `api` lives as long as a thread left behind.
  NcclOwner(std::shared_ptr<NcclApi> api, Clock& clock,
            NcclOwnerOptions options);

  // Ends the communicator, gracefully where nothing has failed, within twice
  // the bound.
  ~NcclOwner();

  NcclOwner(const NcclOwner&) = delete;
  NcclOwner& operator=(const NcclOwner&) = delete;

  // Runs `task` on the thread, and waits until all that it put into the stream
  // is done. After an error the GPU touches no buffer of it any more, unless
  // the message says otherwise.
  absl::Status Run(Task task, SteadyTime deadline);

  // Ends the pending Run, and every later one, with `reason`, an error, and
  // aborts the communicator. The first reason stays.
  void Stop(absl::Status reason);

  // As Stop, but an operation under way is given some time to be completed.
  void PeerFailed(absl::Status reason);

 private:
  struct State;

  static void Main(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

// What a task calls NCCL with, on the owner's thread.
class NcclOwner::Calls {
 public:
  explicit Calls(State& state) : state_(state) {}

  NcclComm comm() const;
  CudaStream stream() const;

  // Makes the communicator, and waits until all ranks have come.
  absl::Status Init(const NcclUniqueId& id, int num_ranks, int rank);

  // Makes one call. OK when it has been accepted: waits while it is in
  // progress. Otherwise an error with all that NCCL says about it. `name`, a
  // literal, is for messages.
  absl::Status Nccl(absl::string_view name,
                    absl::FunctionRef<NcclResult(NcclApi&)> call);
  absl::Status Cuda(absl::string_view name,
                    absl::FunctionRef<absl::Status(NcclApi&)> call);

  // At least `num_bytes` of pinned memory, which last until the next call or
  // the end of the owner.
  absl::StatusOr<void*> PinnedMemory(size_t num_bytes);

  // From here on, what the task waits for is to be done within the progress
  // timeout.
  void ExpectProgress();

  // Waits until all that has been put into the stream is done.
  absl::Status WaitForStream();

 private:
  friend class NcclOwner;

  void Open();
  void Abort();
  bool FinalizeAndDestroy();
  void Close();

  // Waits, as long as the operation may take, until `is_done`.
  absl::Status Await(absl::string_view name,
                     absl::FunctionRef<absl::StatusOr<bool>()> is_done);
  absl::StatusOr<bool> IsAccepted(absl::string_view name);
  absl::StatusOr<bool> IsStreamIdle();
  absl::Status Error(NcclResult result, absl::string_view name);
  // Why the operation must end; OK when it may go on. Counts in
  // `polls_after_failure` how often it could go on although a peer has failed.
  absl::Status Interruption(absl::string_view name, int& polls_after_failure);
  // DeadlineExceeded when what was expected to move on has not.
  absl::Status CheckProgress(absl::string_view name);
  // Whether the thread has been left behind; it then ends as soon as it can,
  // and leaves the clock alone.
  bool IsLeftBehind();
  // Waits for `interval` at most, less after a change. False when left behind.
  bool Pause(std::chrono::nanoseconds interval);

  State& state_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_OWNER_H_
