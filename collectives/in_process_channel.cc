#include "collectives/in_process_channel.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/in_process_call.h"
#include "collectives/operation.h"
#include "collectives/rank_values.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

// The state word, from the lowest bit: ranks that have arrived, ranks that are
// copying (or comparing the calls), ranks that have finished copying, whether
// the channel has failed, the number of the phase.
constexpr uint64_t kOneArrived = uint64_t{1} << 0;
constexpr uint64_t kOneCopying = uint64_t{1} << 10;
constexpr uint64_t kOneFinished = uint64_t{1} << 20;
constexpr uint64_t kFailed = uint64_t{1} << 30;
constexpr uint64_t kOnePhase = uint64_t{1} << 32;
constexpr uint64_t kCountMask = (uint64_t{1} << 10) - 1;
static_assert(InProcessChannel::kMaxRanks <= kCountMask);

constexpr int NumArrived(uint64_t state) { return state & kCountMask; }
constexpr int NumCopying(uint64_t state) {
  return (state / kOneCopying) & kCountMask;
}
constexpr int NumFinished(uint64_t state) {
  return (state / kOneFinished) & kCountMask;
}
constexpr uint32_t PhaseOf(uint64_t state) { return state / kOnePhase; }

// The next phase, which nobody has arrived at.
constexpr uint64_t NextPhase(uint64_t state) {
  return state - NumArrived(state) * kOneArrived -
         NumFinished(state) * kOneFinished + kOnePhase;
}

// A rank that waits lets others have its core this often before it sleeps:
// where ranks outnumber cores the others then mostly arrive without a system
// call to wake anybody. std::barrier does the same.
constexpr int kYieldsBeforeSleep = 4;

}  // namespace

// One rank's place. Only its own rank changes the counters.
struct InProcessChannel::Seat {
  // Cache lines of their own: every rank that wakes the others looks here.
  alignas(64) absl::Mutex mutex;
  absl::CondVar changed;
  std::atomic<bool> is_asleep{false};

  // The phases that the rank has done its part of.
  std::atomic<uint32_t> phases_done{0};

  alignas(64) uint32_t phase = 0;
  uint32_t num_calls = 0;

  // By the parity of their number. A rank that makes call n + 2 knows that all
  // have begun call n + 1, so nobody reads call n any more.
  InProcessCall calls[2];
};

InProcessChannel::InProcessChannel(std::string name, int num_ranks,
                                   Clock& clock)
    : name_(std::move(name)), clock_(clock) {
  seats_.reserve(num_ranks);
  for (int rank = 0; rank < num_ranks; ++rank) {
    seats_.push_back(std::make_unique<Seat>());
  }
}

InProcessChannel::~InProcessChannel() = default;

InProcessCall& InProcessChannel::BeginCall(int rank) {
  Seat& seat = *seats_[rank];
  ++seat.num_calls;
  return seat.calls[seat.num_calls % 2];
}

const InProcessCall& InProcessChannel::CallOf(int rank, int peer) const {
  return seats_[peer]->calls[seats_[rank]->num_calls % 2];
}

absl::Status InProcessChannel::Meet(int rank, SteadyTime deadline) {
  Seat& seat = *seats_[rank];
  if (clock_.Now() >= deadline) {
    Fail(rank, absl::DeadlineExceededError(absl::StrCat(
                   OperationName(CallOf(rank, rank).operation), " on ", name_,
                   ": the deadline had passed at the call")));
    return AwaitQuiet(rank);
  }
  seat.phases_done.store(seat.phase + 1, std::memory_order_relaxed);
  uint64_t state = state_.load();
  uint64_t next;
  do {
    if (state & kFailed) return AwaitQuiet(rank);
    next = state + kOneArrived;
    if (NumArrived(next) == num_ranks()) next += kOneCopying;
  } while (!state_.compare_exchange_weak(state, next));

  if (NumArrived(next) == num_ranks()) {
    // Comparing reads memory of the callers, as copying does.
    absl::Status agreement = CompareCalls(
        num_ranks(),
        [ this, rank ](int peer) -> const auto& { return CallOf(rank, peer); });
    if (agreement.ok()) {
      PrepareClone(rank);
    } else {
      agreement = absl::FailedPreconditionError(
          absl::StrCat(name_, ": ", agreement.message()));
      Fail(rank, agreement, agreement);
    }
    state = state_.load();
    do {
      next = state - kOneCopying;
      if (!(state & kFailed)) next = NextPhase(next);
    } while (!state_.compare_exchange_weak(state, next));
    WakeOthers(rank);
  }
  return Await(rank, deadline, "to call");
}

absl::Status InProcessChannel::Copy(int rank, SteadyTime deadline,
                                    absl::FunctionRef<absl::Status()> copy) {
  uint64_t state = state_.load();
  do {
    if (state & kFailed) return AwaitQuiet(rank);
  } while (!state_.compare_exchange_weak(state, state + kOneCopying));

  const absl::Status status = copy();
  if (status.ok()) {
    Seat& seat = *seats_[rank];
    seat.phases_done.store(seat.phase + 1, std::memory_order_relaxed);
  } else {
    Fail(rank, status);
  }
  state = state_.load();
  uint64_t next;
  do {
    next = state - kOneCopying;
    if (!(state & kFailed)) {
      next += kOneFinished;
      if (NumFinished(next) == num_ranks()) next = NextPhase(next);
    }
  } while (!state_.compare_exchange_weak(state, next));
  const bool was_last =
      next & kFailed ? NumCopying(next) == 0 : PhaseOf(next) != PhaseOf(state);
  if (was_last) WakeOthers(rank);
  return Await(rank, deadline, "to finish copying");
}

void InProcessChannel::PrepareClone(int rank) {
  const InProcessCall& call = CallOf(rank, rank);
  std::shared_ptr<InProcessChannel>& clone =
      clones_[seats_[rank]->num_calls % 2];
  if (call.operation == Operation::kClone) {
    clone = std::make_shared<InProcessChannel>(
        absl::StrCat(name_, "/", call.clone_name), num_ranks(), clock_);
  } else if (clone != nullptr) {
    clone = nullptr;
  }
}

std::shared_ptr<InProcessChannel> InProcessChannel::Clone(int rank) const {
  return clones_[seats_[rank]->num_calls % 2];
}

absl::Status InProcessChannel::Await(int rank, SteadyTime deadline,
                                     absl::string_view purpose) {
  Seat& seat = *seats_[rank];
  AwaitSettled(seat, deadline);
  const bool is_late = clock_.Now() >= deadline;
  if (is_late) Fail(rank, LateError(rank, purpose));
  if (is_late || PhaseOf(state_.load()) == seat.phase) return AwaitQuiet(rank);
  ++seat.phase;
  return absl::OkStatus();
}

// Waits for the next phase, a failure, or the deadline.
void InProcessChannel::AwaitSettled(Seat& seat, SteadyTime deadline) {
  const auto is_settled = [&] {
    const uint64_t state = state_.load();
    return PhaseOf(state) != seat.phase || (state & kFailed) != 0;
  };
  for (int i = 0; i < kYieldsBeforeSleep; ++i) {
    if (is_settled()) return;
    std::this_thread::yield();
  }
  absl::MutexLock lock(&seat.mutex);
  // Either this rank sees the new state below, or whoever makes it sees this.
  seat.is_asleep.store(true);
  bool is_late = false;
  while (!is_settled() && !is_late) {
    is_late = clock_.WaitUntil(seat.changed, seat.mutex, deadline);
  }
  seat.is_asleep.store(false);
}

// After a failure: waits until no rank copies any more, which each stops doing
// at its next look at has_failed.
absl::Status InProcessChannel::AwaitQuiet(int rank) {
  Seat& seat = *seats_[rank];
  {
    absl::MutexLock lock(&seat.mutex);
    seat.is_asleep.store(true);
    while (NumCopying(state_.load()) > 0) seat.changed.Wait(&seat.mutex);
    seat.is_asleep.store(false);
  }
  absl::MutexLock lock(&failure_mutex_);
  return rank == failed_rank_ ? own_failure_ : others_failure_;
}

// A rank is at most one phase ahead of the others, and only while it waits.
std::vector<int> InProcessChannel::AwaitedRanks(int rank) const {
  const uint32_t done =
      seats_[rank]->phases_done.load(std::memory_order_relaxed);
  std::vector<int> awaited;
  for (int peer = 0; peer < num_ranks(); ++peer) {
    if (seats_[peer]->phases_done.load(std::memory_order_relaxed) == done - 1) {
      awaited.push_back(peer);
    }
  }
  return awaited;
}

absl::Status InProcessChannel::LateError(int rank,
                                         absl::string_view purpose) const {
  const std::vector<int> missing = AwaitedRanks(rank);
  return absl::DeadlineExceededError(absl::StrCat(
      OperationName(CallOf(rank, rank).operation), " on ", name_,
      missing.empty() ? ": completed after the deadline"
                      : absl::StrCat(": the deadline passed while waiting for ",
                                     RankList(missing), " ", purpose)));
}

void InProcessChannel::Fail(int rank, absl::Status own, absl::Status others) {
  {
    absl::MutexLock lock(&failure_mutex_);
    if (has_failed()) return;
    failed_rank_ = rank;
    own_failure_ = std::move(own);
    others_failure_ = std::move(others);
    state_.fetch_or(kFailed);
  }
  // Its own rank as well: this may be another thread.
  WakeOthers(/*rank=*/-1);
}

void InProcessChannel::Fail(int rank, absl::Status status) {
  absl::Status others(status.code(),
                      absl::StrCat("rank ", rank, ": ", status.message()));
  Fail(rank, std::move(status), std::move(others));
}

bool InProcessChannel::has_failed() const {
  return (state_.load() & kFailed) != 0;
}

void InProcessChannel::WakeOthers(int rank) {
  for (int peer = 0; peer < num_ranks(); ++peer) {
    Seat& seat = *seats_[peer];
    if (peer == rank || !seat.is_asleep.load()) continue;
    absl::MutexLock lock(&seat.mutex);
    seat.changed.SignalAll();
  }
}

}  // namespace eplb
