// ControlChannel: what ranks of different processes say to each other beside
// the payload: small rounds in which each learns what all are about to do, and
// at once why a rank has given up.
//
//   EPLB_ASSIGN_OR_RETURN(
//       std::unique_ptr<ControlChannel> channel,
//       ControlChannel::Create(name, rank, std::move(peers), clock));
//   channel->BeginCall();
//   EPLB_ASSIGN_OR_RETURN(std::vector<std::string> all,
//                         channel->Gather(mine, deadline));
//   channel->FinishCall();
//
// It goes over connections of its own, so a payload that is stuck does not
// keep a rank from saying no. A thread reads what comes and sends what did not
// go out at once.

#ifndef EPLB_COLLECTIVES_CONTROL_CHANNEL_H_
#define EPLB_COLLECTIVES_CONTROL_CHANNEL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe, but for the calls, which come one after the other.
class ControlChannel {
 public:
  // What one rank can say in a round.
  static constexpr size_t kMaxRoundBytes = 1 << 20;

  // `peers` holds the connection to each rank; that of `rank` is not open.
  // `name` leads every message to people.
  static absl::StatusOr<std::unique_ptr<ControlChannel>> Create(
      std::string name, int rank, std::vector<Socket> peers, Clock& clock);

  // Tells the others that this rank leaves, unless it has told them worse.
  ~ControlChannel();

  const std::string& name() const { return name_; }
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(peers_.size()); }

  // Runs, perhaps on another thread and under the lock of this channel, when
  // the call between BeginCall and FinishCall cannot succeed any more, with the
  // failure. It only wakes others up.
  void SetInterrupt(std::function<void(const absl::Status&)> interrupt);

  // The rounds between the two belong together: a rank that has finished the
  // call is not missed in it when it leaves or fails later.
  void BeginCall();
  void FinishCall();

  // What every rank said in this round, in rank order.
  absl::StatusOr<std::vector<std::string>> Gather(absl::string_view mine,
                                                  SteadyTime deadline);

  // Whom the pending Gather still waits for; none while none is pending.
  std::vector<int> AwaitedRanks() const;

  // Ends the pending call, and all later ones, with `reason`; the other ranks'
  // with `told`, which they lead by this rank's name. The first one counts.
  void Fail(absl::Status reason, absl::Status told);

  // Why the call that is pending cannot succeed; OK when it still can.
  absl::Status failure() const;

  // Waits for failure() until `deadline`: for the cause of a symptom.
  absl::Status WaitForFailure(SteadyTime deadline);

 private:
  struct Frame;

  ControlChannel(std::string name, int rank, std::vector<Socket> peers,
                 Clock& clock, Socket wake);

  struct Peer {
    Socket socket;
    std::string inbox;
    std::string outbox;
    uint64_t next_round = 0;          // That it will speak in.
    std::deque<std::string> rounds;   // Said, and not gathered yet.
    std::optional<absl::Status> end;  // Why it will say no more.
    uint64_t finished_rounds = 0;     // When it ended.
  };

  void Serve();
  bool WaitForEvents();
  void Read(int peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeFrames(int peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeFrame(int peer, const Frame& frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(int peer, absl::Status why, uint64_t finished_rounds)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(int peer, absl::string_view frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendToAll(absl::string_view frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Flush(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasUnsent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AwaitRound(SteadyTime deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RoundIsComplete() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status FailureLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<int> SilentRanks() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void InterruptLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeThread();

  const std::string name_;
  const int rank_;
  Clock& clock_;
  Socket wake_;  // An eventfd.

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  // The sockets are read by the thread without the lock, only to wait on them.
  std::vector<Peer> peers_;
  std::function<void(const absl::Status&)> interrupt_ ABSL_GUARDED_BY(mutex_);
  uint64_t first_round_of_call_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_round_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_gathering_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status own_failure_ ABSL_GUARDED_BY(mutex_);
  bool is_closing_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CONTROL_CHANNEL_H_
