#include "tools/run/spawn_ranks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "tools/command/exit_status.h"
#include "tools/run/failure_cause.h"
#include "tools/run/stop_signal.h"

namespace eplb {
namespace {

// The read end of a pipe whose write end the child holds until it ends, however
// that comes: what the parent waits for with a deadline.
struct Child {
  pid_t process = -1;
  int life_line = -1;
};

absl::Status HowItEnded(int rank, pid_t process, int status) {
  const std::string who = absl::StrCat("rank ", rank, " (process ", process);
  if (WIFSIGNALED(status)) {
    return absl::UnavailableError(
        absl::StrCat(who, ") was ended by signal ", WTERMSIG(status), " (",
                     strsignal(WTERMSIG(status)), ")"));
  }
  const int exit_status = WEXITSTATUS(status);
  const std::string sentence =
      absl::StrCat(who, ") ended with exit status ", exit_status);
  switch (exit_status) {
    case kExitDone:
      return absl::OkStatus();
    case kExitBadInput:
      return absl::InvalidArgumentError(sentence);
    case kExitLostPeer:
      return absl::UnavailableError(sentence);
    default:
      return absl::InternalError(sentence);
  }
}

// The children of one job. Those that are left when it goes are killed.
class Children {
 public:
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    Signal(SIGKILL);
    for (const Child& child : children_) Reap(child);
  }

  // Whether this is the child.
  absl::StatusOr<bool> Fork();

  // Waits until all have ended, or until `grace` after the first bad end, or
  // after the first end at all where they are to stop. `stop_is_known` tells
  // that they were forked after the wish.
  absl::Status Wait(const StopSignal& stop, bool stop_is_known, Clock& clock,
                    std::chrono::milliseconds grace);

 private:
  bool AnyLives() const;
  bool AllLive() const;
  // Names the first that lives.
  absl::Status StillThere() const;
  std::vector<pollfd> LifeLines() const;
  void Signal(int signal_number) const;
  int Reap(const Child& child) const;
  // Takes leave of those that have ended, and notes why.
  void ReapEnded();
  absl::Status Cause() const {
    return signal_.ok() ? cause_.status() : signal_;
  }

  std::vector<Child> children_;  // By rank; life_line is -1 after the end.
  // The first end by a signal, from which all others follow even if they are
  // seen first; else the bad end that is the cause.
  absl::Status signal_;
  FailureCause cause_;
};

absl::StatusOr<bool> Children::Fork() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make a pipe: ", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process < 0) {
    close(ends[0]);
    close(ends[1]);
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot start rank ", children_.size(), ": ", strerror(errno)));
  }
  if (process == 0) {
    // Signals of a terminal go to the parent alone, which hands them on; and
    // nobody outlives it.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kExitLostPeer);
    children_.clear();
    return true;
  }
  close(ends[1]);
  children_.push_back({process, ends[0]});
  return false;
}

void Children::Signal(int signal_number) const {
  for (const Child& child : children_) {
    if (child.life_line >= 0) kill(child.process, signal_number);
  }
}

int Children::Reap(const Child& child) const {
  if (child.life_line < 0) return 0;
  close(child.life_line);
  int status = 0;
  while (waitpid(child.process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void Children::ReapEnded() {
  std::vector<pollfd> polls = LifeLines();
  poll(polls.data(), polls.size(), 0);
  for (size_t rank = 0; rank < children_.size(); ++rank) {
    Child& child = children_[rank];
    if (child.life_line < 0 || (polls[rank].revents & POLLHUP) == 0) continue;
    const int status = Reap(child);
    child.life_line = -1;
    const absl::Status end =
        HowItEnded(static_cast<int>(rank), child.process, status);
    if (WIFSIGNALED(status)) {
      signal_.Update(end);
    } else {
      cause_.Update(end);
    }
  }
}

std::vector<pollfd> Children::LifeLines() const {
  std::vector<pollfd> polls;
  // poll(2) passes over what is negative.
  for (const Child& child : children_) polls.push_back({child.life_line, 0, 0});
  return polls;
}

bool Children::AnyLives() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.life_line >= 0; });
}

bool Children::AllLive() const {
  return std::all_of(children_.begin(), children_.end(),
                     [](const Child& child) { return child.life_line >= 0; });
}

absl::Status Children::StillThere() const {
  for (size_t rank = 0; rank < children_.size(); ++rank) {
    if (children_[rank].life_line < 0) continue;
    return absl::UnavailableError(
        absl::StrCat("rank ", rank, " (process ", children_[rank].process,
                     ") did not stop with the others and was killed"));
  }
  return absl::OkStatus();
}

absl::Status Children::Wait(const StopSignal& stop, bool stop_is_known,
                            Clock& clock, std::chrono::milliseconds grace) {
  bool stop_handed_on = stop_is_known;
  SteadyTime deadline = SteadyTime::max();
  while (AnyLives() && clock.Now() < deadline) {
    if (stop.requested() && !std::exchange(stop_handed_on, true)) {
      Signal(SIGINT);
    }
    // A job may take for ever, but a signal between the look at `stop` and the
    // wait must not go unseen for so long.
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
        std::clamp(deadline - clock.Now(), SteadyTime::duration(0),
                   SteadyTime::duration(std::chrono::seconds(1))));
    std::vector<pollfd> polls = LifeLines();
    poll(polls.data(), polls.size(), static_cast<int>(wait.count()));
    ReapEnded();
    const bool all_must_end = !Cause().ok() || (stop_handed_on && !AllLive());
    if (all_must_end && deadline == SteadyTime::max()) {
      deadline = clock.Now() + grace;
    }
  }
  return Cause().ok() ? StillThere() : Cause();
}

}  // namespace

absl::StatusOr<std::optional<int>> SpawnRanks(int num_ranks, Clock& clock,
                                              std::chrono::milliseconds grace,
                                              const StopSignal& stop) {
  Children children;
  bool stop_is_known;
  {
    // A wish in between would be known to some children and not to others.
    const HeldStopSignals held;
    stop_is_known = stop.requested();
    for (int rank = 0; rank < num_ranks; ++rank) {
      EPLB_ASSIGN_OR_RETURN(const bool is_child, children.Fork());
      if (is_child) return rank;
    }
  }
  EPLB_RETURN_IF_ERROR(children.Wait(stop, stop_is_known, clock, grace));
  return std::nullopt;
}

}  // namespace eplb
