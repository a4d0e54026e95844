#include "collectives/in_process_rendezvous.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/in_process_channel.h"
#include "collectives/in_process_communicator.h"
#include "collectives/rank_values.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

std::string NameOf(uint64_t epoch) {
  return absl::StrCat("in_process, epoch ", epoch);
}

}  // namespace

InProcessRendezvous::InProcessRendezvous(int num_ranks, Clock& clock)
    : clock_(clock), last_epochs_(num_ranks, 0) {}

int InProcessRendezvous::Meeting::PositionOf(int rank) const {
  const auto place = std::lower_bound(members.begin(), members.end(), rank);
  if (place == members.end() || *place != rank) return -1;
  return static_cast<int>(place - members.begin());
}

absl::StatusOr<std::unique_ptr<Communicator>> InProcessRendezvous::Connect(
    int rank, uint64_t epoch, absl::Span<const int> members,
    SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  EPLB_RETURN_IF_ERROR(
      CheckConnect(rank, num_ranks(), epoch, last_epochs_[rank], members));
  last_epochs_[rank] = epoch;
  LeaveEarlierEpochs(rank, epoch);
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<Meeting> meeting,
                        FindOrOpen(rank, epoch, members));
  const int position = meeting->PositionOf(rank);
  EPLB_RETURN_IF_ERROR(Arrive(*meeting, position, deadline));
  return std::make_unique<InProcessCommunicator>(meeting->channel, position);
}

void InProcessRendezvous::LeaveEarlierEpochs(int rank, uint64_t epoch) {
  // Close() takes the meeting out of the list.
  const std::vector<std::shared_ptr<Meeting>> meetings(open_meetings_.begin(),
                                                       open_meetings_.end());
  for (const std::shared_ptr<Meeting>& meeting : meetings) {
    if (meeting->epoch >= epoch || meeting->PositionOf(rank) < 0) continue;
    Close(*meeting, absl::FailedPreconditionError(absl::StrCat(
                        "Connect on ", NameOf(meeting->epoch), ": rank ", rank,
                        " has gone on to epoch ", epoch)));
  }
}

absl::StatusOr<std::shared_ptr<InProcessRendezvous::Meeting>>
InProcessRendezvous::FindOrOpen(int rank, uint64_t epoch,
                                absl::Span<const int> members) {
  for (const std::shared_ptr<Meeting>& meeting : open_meetings_) {
    if (meeting->epoch != epoch) continue;
    if (absl::MakeConstSpan(meeting->members) == members) return meeting;
    const bool overlap = std::any_of(
        members.begin(), members.end(),
        [&](int member) { return meeting->PositionOf(member) >= 0; });
    if (!overlap) continue;
    const absl::Status failure = absl::FailedPreconditionError(absl::StrCat(
        "Connect on ", NameOf(epoch),
        ": the ranks name different members: ", RankList(meeting->members),
        " by the first to connect; ", RankList(members), " by rank ", rank));
    Close(*std::shared_ptr<Meeting>(meeting), failure);
    return failure;
  }
  auto meeting = std::make_shared<Meeting>();
  meeting->epoch = epoch;
  meeting->members.assign(members.begin(), members.end());
  meeting->has_arrived.assign(members.size(), false);
  EPLB_RETURN_IF_ERROR(CheckNobodyHasLeft(rank, *meeting));
  open_meetings_.push_back(meeting);
  return meeting;
}

// A meeting that a member can no longer come to would end by its deadline.
absl::Status InProcessRendezvous::CheckNobodyHasLeft(int rank,
                                                     const Meeting& meeting) {
  for (const int member : meeting.members) {
    if (member == rank || last_epochs_[member] < meeting.epoch) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "Connect on ", NameOf(meeting.epoch), ": rank ", member,
        " has connected or given up in epoch ", last_epochs_[member]));
  }
  return absl::OkStatus();
}

absl::Status InProcessRendezvous::Arrive(Meeting& meeting, int position,
                                         SteadyTime deadline) {
  meeting.has_arrived[position] = true;
  ++meeting.num_arrived;
  if (meeting.num_arrived == static_cast<int>(meeting.members.size())) {
    meeting.channel = std::make_shared<InProcessChannel>(
        NameOf(meeting.epoch), static_cast<int>(meeting.members.size()),
        clock_);
    Close(meeting, absl::OkStatus());
  }
  bool is_late = clock_.Now() >= deadline;
  while (meeting.is_open() && !is_late) {
    is_late = clock_.WaitUntil(meeting.changed, mutex_, deadline);
  }
  if (meeting.is_open()) {
    std::vector<int> missing;
    for (size_t i = 0; i < meeting.members.size(); ++i) {
      if (!meeting.has_arrived[i]) missing.push_back(meeting.members[i]);
    }
    Close(meeting,
          absl::DeadlineExceededError(absl::StrCat(
              "Connect on ", NameOf(meeting.epoch),
              ": the deadline passed while waiting for ", RankList(missing))));
  } else if (meeting.failure.ok() && clock_.Now() >= deadline) {
    // The others are connected: they must not wait for this rank.
    const absl::Status late = absl::DeadlineExceededError(
        absl::StrCat("Connect on ", NameOf(meeting.epoch),
                     ": completed after the deadline"));
    meeting.channel->Fail(position, late);
    return late;
  }
  return meeting.failure;
}

void InProcessRendezvous::Close(Meeting& meeting, absl::Status failure) {
  meeting.failure = std::move(failure);
  meeting.changed.SignalAll();
  open_meetings_.remove_if([&](const std::shared_ptr<Meeting>& open) {
    return open.get() == &meeting;
  });
}

}  // namespace eplb
