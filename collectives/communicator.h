// Communicator: what the ranks of a group say to each other, behind one
// interface whatever carries it (threads of one process, Gloo, NCCL).
//
//   std::vector<int64_t> loads = ...;
//   EPLB_RETURN_IF_ERROR(communicator.AllReduceSum(
//       absl::MakeSpan(loads), clock.Now() + std::chrono::seconds(60)));
//
// Rules that every backend keeps:
//  - Every call takes an absolute deadline and returns a status. A completion
//    at or after its deadline is DeadlineExceeded.
//  - An error of any call, and Abort, poisons the communicator: every later
//    call fails with FailedPrecondition that quotes the first error. The next
//    communicator comes from a CommunicatorFactory, with a new epoch.
//  - A rank that fails tells the others where the backend can: their pending
//    call, or else their next, fails with the same code and a message that
//    names the rank. So the first error that a rank sees is the cause.
//  - When a call has returned, by error too, no thread touches its buffers.
//    What an error leaves in the buffers to receive into is unspecified.
//  - Errors name the ranks concerned.
//  - A memory space that a backend cannot serve is Unimplemented.
//
// docs/collectives.md says what each error means.

#ifndef EPLB_COLLECTIVES_COMMUNICATOR_H_
#define EPLB_COLLECTIVES_COMMUNICATOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"

namespace eplb {

// Bytes to send from. Borrowed for the call.
struct ConstBuffer {
  const void* data = nullptr;
  size_t num_bytes = 0;
  MemorySpace space = MemorySpace::kHost;
};

// Bytes to receive into. Borrowed for the call.
struct Buffer {
  void* data = nullptr;
  size_t num_bytes = 0;
  MemorySpace space = MemorySpace::kHost;
};

// One message of an Exchange. Messages between the same two ranks are matched
// in the order they are listed; both sides must agree on the size.
struct SendMessage {
  int destination = 0;
  ConstBuffer buffer;
};
struct ReceiveMessage {
  int source = 0;
  Buffer buffer;
};

// One rank's end of a group. All ranks make the same calls in the same order.
// One call at a time, from any thread (a second one beside it is an error);
// Abort, AwaitedRanks, ToString and the accessors may be called beside it.
class Communicator {
 public:
  // Ends a pending call of another thread with Cancelled and waits for it.
  // Ranks that still wait for this one get Unavailable.
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Replaces `values` by their sums over all ranks, modulo 2^64. All ranks pass
  // as many.
  virtual absl::Status AllReduceSum(absl::Span<int64_t> values,
                                    SteadyTime deadline) = 0;

  // Fills `all` with the `mine` of every rank, in rank order. `mine` has the
  // same size everywhere, and `all` that size times size(). `mine` may be its
  // own place in `all`; otherwise they do not overlap.
  virtual absl::Status AllGather(ConstBuffer mine, Buffer all,
                                 SteadyTime deadline) = 0;

  // Copies `data` of rank `root` to all others. Same size everywhere.
  virtual absl::Status Broadcast(Buffer data, int root,
                                 SteadyTime deadline) = 0;

  // Returns after every rank has called.
  virtual absl::Status Barrier(SteadyTime deadline) = 0;

  // Sends and receives a batch of messages, to and from any ranks including
  // this one; any number, of any sizes, 0 too. Returns with the received bytes
  // visible to every stream; the caller has completed the sources. Sends and
  // receives do not overlap.
  virtual absl::Status Exchange(absl::Span<const SendMessage> sends,
                                absl::Span<const ReceiveMessage> receives,
                                SteadyTime deadline) = 0;

  // An independent channel over the same ranks, for another thread. All ranks
  // clone with the same name; a name that was used before is AlreadyExists.
  virtual absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) = 0;

  // Poisons the communicator with `reason`, an error, and ends its pending call
  // with it. The first reason stays. Other ranks find out at once where the
  // backend can tell them, else by their deadline. Clones are not concerned.
  // Thread-safe.
  virtual void Abort(absl::Status reason) = 0;

  // The ranks whose call the pending one still waits for, as far as the backend
  // knows, in rising order; none while no call is pending. Thread-safe.
  virtual std::vector<int> AwaitedRanks() const { return {}; }

  // For messages to people: backend, name, epoch, rank and size.
  virtual std::string ToString() const = 0;
};

// Makes communicators; retry, resize and recovery each begin a new epoch.
// Thread-safe.
class CommunicatorFactory {
 public:
  virtual ~CommunicatorFactory() = default;

  // Connects `members`, ranks of the job in rising order; this process is one
  // of them, and its rank in the result is its position. All members call with
  // the same arguments. An epoch is used once and only ever rises.
  virtual absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) = 0;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_COMMUNICATOR_H_
