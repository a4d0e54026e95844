#include "testing/scheduled_network.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/call_gate.h"
#include "collectives/communicator.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "testing/deterministic_random.h"
#include "testing/seeded_scheduler.h"

namespace eplb {

// Every operation is the same to the network: each rank sends each other one
// a message, which may be empty, and waits for theirs.
class ScheduledCommunicator final : public Communicator {
 public:
  ScheduledCommunicator(ScheduledNetwork& network, std::string channel,
                        std::vector<int> members, int rank)
      : network_(network),
        channel_(std::move(channel)),
        members_(std::move(members)),
        rank_(rank) {}

  ~ScheduledCommunicator() override {
    Poison(absl::UnavailableError(
        absl::StrCat("rank ", rank_, " has left the group")));
  }

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }

  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override {
    const std::string mine(reinterpret_cast<const char*>(values.data()),
                           values.size() * sizeof(int64_t));
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<std::string> all,
        Meet(Operation::kAllReduceSum, std::vector(size(), mine), deadline));
    for (int rank = 0; rank < size(); ++rank) {
      if (rank == rank_) continue;
      for (size_t i = 0; i < values.size(); ++i) {
        int64_t value = 0;
        std::memcpy(&value, all[rank].data() + i * sizeof value, sizeof value);
        values[i] += value;
      }
    }
    return absl::OkStatus();
  }

  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override {
    EPLB_RETURN_IF_ERROR(CheckAllGather(mine, all, rank_, size()));
    const std::string bytes(static_cast<const char*>(mine.data),
                            mine.num_bytes);
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<std::string> gathered,
        Meet(Operation::kAllGather, std::vector(size(), bytes), deadline));
    char* place = static_cast<char*>(all.data);
    for (const std::string& part : gathered) {
      std::copy(part.begin(), part.end(), place);
      place += mine.num_bytes;
    }
    return absl::OkStatus();
  }

  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override {
    EPLB_RETURN_IF_ERROR(CheckBroadcast(data, root, size()));
    std::vector<std::string> outgoing(size());
    if (rank_ == root) {
      outgoing.assign(size(), std::string(static_cast<const char*>(data.data),
                                          data.num_bytes));
    }
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<std::string> arrived,
        Meet(Operation::kBroadcast, std::move(outgoing), deadline));
    std::copy(arrived[root].begin(), arrived[root].end(),
              static_cast<char*>(data.data));
    return absl::OkStatus();
  }

  absl::Status Barrier(SteadyTime deadline) override {
    return Meet(Operation::kBarrier, std::vector<std::string>(size()), deadline)
        .status();
  }

  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override {
    EPLB_RETURN_IF_ERROR(CheckExchange(sends, receives));
    std::vector<std::string> outgoing(size());
    for (const SendMessage& send : sends) {
      outgoing[send.destination].append(
          static_cast<const char*>(send.buffer.data), send.buffer.num_bytes);
    }
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<std::string> arrived,
        Meet(Operation::kExchange, std::move(outgoing), deadline));
    std::vector<size_t> consumed(size());
    for (const ReceiveMessage& receive : receives) {
      size_t& begin = consumed[receive.source];
      arrived[receive.source].copy(static_cast<char*>(receive.buffer.data),
                                   receive.buffer.num_bytes, begin);
      begin += receive.buffer.num_bytes;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override {
    EPLB_RETURN_IF_ERROR(
        Meet(Operation::kClone, std::vector<std::string>(size()), deadline)
            .status());
    return std::make_unique<ScheduledCommunicator>(
        network_, absl::StrCat(channel_, "/", name), members_, rank_);
  }

  void Abort(absl::Status reason) override {
    Poison(AbortReason(std::move(reason)));
  }

  std::string ToString() const override {
    return absl::StrCat("scheduled ", channel_, ", rank ", rank_, " of ",
                        size());
  }

 private:
  ScheduledNetwork::Link LinkTo(int rank) const {
    return {channel_, members_[rank_], members_[rank]};
  }
  ScheduledNetwork::Link LinkFrom(int rank) const {
    return {channel_, members_[rank], members_[rank_]};
  }

  // Sends outgoing[r] to each other rank r and returns what arrived from each;
  // this rank's own comes back as it is.
  absl::StatusOr<std::vector<std::string>> Meet(
      Operation operation, std::vector<std::string> outgoing,
      SteadyTime deadline) {
    const int64_t sequence = sequence_++;
    EPLB_RETURN_IF_ERROR(Usable(sequence));
    for (int rank = 0; rank < size(); ++rank) {
      // A process can die between two of its messages.
      network_.scheduler_.Yield();
      EPLB_RETURN_IF_ERROR(Alive());
      if (rank == rank_) continue;
      network_.Send(LinkTo(rank), operation, outgoing[rank]);
    }
    network_.scheduler_.WaitFor(
        [&] { return HaveAll(sequence) || !Usable(sequence).ok(); }, deadline);
    EPLB_RETURN_IF_ERROR(Alive());
    if (!HaveAll(sequence)) {
      EPLB_RETURN_IF_ERROR(Usable(sequence));
      return Fail(absl::DeadlineExceededError(
          absl::StrCat(OperationName(operation), " of rank ", rank_,
                       " waits for ranks ", Absent(sequence))));
    }
    if (network_.scheduler_.clock().Now() >= deadline) {
      return Fail(absl::DeadlineExceededError(
          absl::StrCat(OperationName(operation), " of rank ", rank_,
                       " ended after its deadline")));
    }
    return TakeArrived(operation, sequence, std::move(outgoing));
  }

  absl::StatusOr<std::vector<std::string>> TakeArrived(
      Operation operation, int64_t sequence, std::vector<std::string> all) {
    for (int rank = 0; rank < size(); ++rank) {
      if (rank == rank_) continue;
      const auto& message = *network_.Arrived(LinkFrom(rank), sequence);
      if (message.operation != operation) {
        return Fail(absl::FailedPreconditionError(absl::StrCat(
            "rank ", rank_, " calls ", OperationName(operation), ", rank ",
            rank, " calls ", OperationName(message.operation))));
      }
      all[rank] = message.bytes;
    }
    return all;
  }

  bool HaveAll(int64_t sequence) const { return Absent(sequence).empty(); }

  // The ranks whose message is not there, and may yet come.
  std::string Absent(int64_t sequence) const {
    std::vector<int> absent;
    for (int rank = 0; rank < size(); ++rank) {
      if (rank != rank_ &&
          network_.Arrived(LinkFrom(rank), sequence) == nullptr) {
        absent.push_back(rank);
      }
    }
    return absl::StrJoin(absent, ", ");
  }

  absl::Status Alive() const {
    return network_.is_dead(members_[rank_])
               ? absl::CancelledError("this process is dead")
               : absl::OkStatus();
  }

  // OK, or why operation number `sequence` cannot complete.
  absl::Status Usable(int64_t sequence) {
    EPLB_RETURN_IF_ERROR(Alive());
    for (int rank = 0; rank < size() && first_error_.ok(); ++rank) {
      if (rank == rank_) continue;
      const absl::Status failure =
          network_.ArrivedFailure(LinkFrom(rank), sequence);
      if (!failure.ok()) return Fail(failure);
    }
    return first_error_;
  }

  absl::Status Fail(absl::Status status) {
    Poison(status);
    return status;
  }

  // The first reason stays; the others are told.
  void Poison(absl::Status reason) {
    if (!first_error_.ok()) return;
    first_error_ = reason;
    if (network_.is_dead(members_[rank_])) return;
    for (int rank = 0; rank < size(); ++rank) {
      if (rank != rank_) network_.SendFailure(LinkTo(rank), reason);
    }
  }

  ScheduledNetwork& network_;
  const std::string channel_;
  const std::vector<int> members_;
  const int rank_;
  int64_t sequence_ = 0;
  absl::Status first_error_;
};

class ScheduledFactory final : public CommunicatorFactory {
 public:
  ScheduledFactory(ScheduledNetwork& network, int process)
      : network_(network), process_(process) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    EPLB_RETURN_IF_ERROR(CheckConnect(process_, network_.num_processes(), epoch,
                                      last_epoch_, members));
    last_epoch_ = epoch;
    const auto mine = std::find(members.begin(), members.end(), process_);
    auto communicator = std::make_unique<ScheduledCommunicator>(
        network_, absl::StrCat("epoch ", epoch),
        std::vector<int>(members.begin(), members.end()),
        static_cast<int>(mine - members.begin()));
    EPLB_RETURN_IF_ERROR(communicator->Barrier(deadline));
    return communicator;
  }

 private:
  ScheduledNetwork& network_;
  const int process_;
  uint64_t last_epoch_ = 0;
};

std::unique_ptr<CommunicatorFactory> ScheduledNetwork::FactoryOfProcess(
    int process) {
  return std::make_unique<ScheduledFactory>(*this, process);
}

void ScheduledNetwork::Send(const Link& link, Operation operation,
                            std::string bytes) {
  Message message;
  message.operation = operation;
  message.bytes = std::move(bytes);
  Post(link, std::move(message));
}

void ScheduledNetwork::SendFailure(const Link& link, absl::Status reason) {
  Message message;
  message.failure = std::move(reason);
  Post(link, std::move(message));
}

void ScheduledNetwork::Post(const Link& link, Message message) {
  std::vector<Message>& sent = messages_[link];
  DeterministicRandom& random = scheduler_.random();
  message.arrival = scheduler_.clock().Now() +
                    std::chrono::nanoseconds(
                        random.NextBelow(options_.longest_delay.count()));
  if (options_.one_stall_in > 0 && random.NextBelow(options_.one_stall_in) == 0)
    message.arrival += options_.stall;
  if (!sent.empty()) {
    message.arrival = std::max(message.arrival, sent.back().arrival);
  }
  sent.push_back(std::move(message));
}

const ScheduledNetwork::Message* ScheduledNetwork::Arrived(
    const Link& link, int64_t sequence) const {
  const auto found = messages_.find(link);
  if (found == messages_.end()) return nullptr;
  const std::vector<Message>& sent = found->second;
  if (sequence >= static_cast<int64_t>(sent.size())) return nullptr;
  const Message& message = sent[sequence];
  if (!message.failure.ok()) return nullptr;
  return message.arrival <= scheduler_.clock().Now() ? &message : nullptr;
}

absl::Status ScheduledNetwork::ArrivedFailure(const Link& link,
                                              int64_t sequence) const {
  const auto found = messages_.find(link);
  if (found == messages_.end()) return absl::OkStatus();
  const Message& last = found->second.back();
  const bool is_in_place_of_it =
      static_cast<int64_t>(found->second.size()) <= sequence + 1;
  return is_in_place_of_it && last.arrival <= scheduler_.clock().Now()
             ? last.failure
             : absl::OkStatus();
}

}  // namespace eplb
