#include "collectives/control_channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/little_endian.h"
#include "collectives/rank_values.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

// How long a channel that is destroyed tries to get its last words out.
constexpr auto kLastWords = std::chrono::milliseconds(200);

constexpr size_t kMaxMessageBytes = 4096;

}  // namespace

// On the wire: bytes of the content (4), kind (1), status code (1), 2 zero
// bytes, and the round, or how many are finished (8); then the content.
struct ControlChannel::Frame {
  static constexpr size_t kHeaderBytes = 16;
  enum Kind : uint8_t { kRound = 1, kEnd = 2 };

  uint8_t kind = 0;
  uint8_t code = 0;
  uint64_t round = 0;
  absl::string_view content;

  std::string Encode() const {
    std::byte header[kHeaderBytes] = {};
    StoreLittleEndian(content.size(), 4, header);
    StoreLittleEndian(kind, 1, header + 4);
    StoreLittleEndian(code, 1, header + 5);
    StoreLittleEndian(round, 8, header + 8);
    return absl::StrCat(
        absl::string_view(reinterpret_cast<char*>(header), kHeaderBytes),
        content);
  }

  static size_t ContentBytes(absl::string_view bytes) {
    return LoadLittleEndian(reinterpret_cast<const std::byte*>(bytes.data()),
                            4);
  }

  static Frame Decode(absl::string_view bytes) {
    const auto* header = reinterpret_cast<const std::byte*>(bytes.data());
    return {.kind = static_cast<uint8_t>(LoadLittleEndian(header + 4, 1)),
            .code = static_cast<uint8_t>(LoadLittleEndian(header + 5, 1)),
            .round = LoadLittleEndian(header + 8, 8),
            .content = bytes.substr(kHeaderBytes)};
  }
};

absl::StatusOr<std::unique_ptr<ControlChannel>> ControlChannel::Create(
    std::string name, int rank, std::vector<Socket> peers, Clock& clock) {
  Socket wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return SystemError("eventfd");
  return absl::WrapUnique(new ControlChannel(
      std::move(name), rank, std::move(peers), clock, std::move(wake)));
}

ControlChannel::ControlChannel(std::string name, int rank,
                               std::vector<Socket> peers, Clock& clock,
                               Socket wake)
    : name_(std::move(name)),
      rank_(rank),
      clock_(clock),
      wake_(std::move(wake)),
      peers_(peers.size()) {
  for (size_t i = 0; i < peers.size(); ++i) {
    peers_[i].socket = std::move(peers[i]);
  }
  thread_ = std::thread([this] { Serve(); });
}

ControlChannel::~ControlChannel() {
  const absl::Status left =
      absl::UnavailableError(absl::StrCat(name_, ": has left"));
  Fail(absl::CancelledError(absl::StrCat(name_, ": destroyed")), left);
  {
    absl::MutexLock lock(&mutex_);
    is_closing_ = true;
    // Of the machine's clock: a process must be able to end at any time.
    SystemClock clock;
    const SteadyTime deadline = clock.Now() + kLastWords;
    while (HasUnsent() && !clock.WaitUntil(changed_, mutex_, deadline)) {
    }
    for (Peer& peer : peers_) peer.outbox.clear();
  }
  WakeThread();
  thread_.join();
}

void ControlChannel::SetInterrupt(
    std::function<void(const absl::Status&)> interrupt) {
  absl::MutexLock lock(&mutex_);
  interrupt_ = std::move(interrupt);
  InterruptLocked();
}

void ControlChannel::InterruptLocked() {
  const absl::Status failure = FailureLocked();
  if (interrupt_ && !failure.ok()) interrupt_(failure);
}

void ControlChannel::BeginCall() {
  absl::MutexLock lock(&mutex_);
  first_round_of_call_ = next_round_;
}

void ControlChannel::FinishCall() { BeginCall(); }

absl::StatusOr<std::vector<std::string>> ControlChannel::Gather(
    absl::string_view mine, SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status failure = FailureLocked(); !failure.ok()) return failure;
  SendToAll(Frame{
      .kind = Frame::kRound, .code = 0, .round = next_round_, .content = mine}
                .Encode());
  is_gathering_ = true;
  const absl::Status complete = AwaitRound(deadline);
  is_gathering_ = false;
  if (!complete.ok()) return complete;
  ++next_round_;
  std::vector<std::string> all(peers_.size());
  for (int i = 0; i < size(); ++i) {
    if (i == rank_) {
      all[i] = std::string(mine);
      continue;
    }
    all[i] = std::move(peers_[i].rounds.front());
    peers_[i].rounds.pop_front();
  }
  return all;
}

absl::Status ControlChannel::AwaitRound(SteadyTime deadline) {
  while (!RoundIsComplete()) {
    if (absl::Status failure = FailureLocked(); !failure.ok()) return failure;
    if (clock_.WaitUntil(changed_, mutex_, deadline) && !RoundIsComplete() &&
        FailureLocked().ok()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the deadline passed while waiting for ", RankList(SilentRanks())));
    }
  }
  // A rank may have given up in this call although its word has come.
  return FailureLocked();
}

std::vector<int> ControlChannel::AwaitedRanks() const {
  absl::MutexLock lock(&mutex_);
  return is_gathering_ ? SilentRanks() : std::vector<int>();
}

void ControlChannel::Fail(absl::Status reason, absl::Status told) {
  absl::MutexLock lock(&mutex_);
  if (!own_failure_.ok()) return;
  own_failure_ = std::move(reason);
  const std::string message =
      std::string(told.message().substr(0, kMaxMessageBytes));
  SendToAll(Frame{.kind = Frame::kEnd,
                  .code = static_cast<uint8_t>(told.code()),
                  .round = first_round_of_call_,
                  .content = message}
                .Encode());
  changed_.SignalAll();
  InterruptLocked();
}

absl::Status ControlChannel::failure() const {
  absl::MutexLock lock(&mutex_);
  return FailureLocked();
}

absl::Status ControlChannel::WaitForFailure(SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  while (FailureLocked().ok() &&
         !clock_.WaitUntil(changed_, mutex_, deadline)) {
  }
  return FailureLocked();
}

void ControlChannel::Serve() {
  while (WaitForEvents()) {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < size(); ++i) {
      if (!peers_[i].socket.is_open()) continue;
      Read(i);
      Flush(peers_[i]);
    }
    if (RoundIsComplete() || !FailureLocked().ok() ||
        (is_closing_ && !HasUnsent())) {
      changed_.SignalAll();
    }
  }
}

// False when the channel is being destroyed and nothing is left to do.
bool ControlChannel::WaitForEvents() {
  std::vector<pollfd> entries;
  {
    absl::MutexLock lock(&mutex_);
    if (is_closing_ && !HasUnsent()) return false;
    entries.push_back({wake_.fd(), POLLIN, 0});
    for (const Peer& peer : peers_) {
      if (!peer.socket.is_open()) continue;
      const short out = peer.outbox.empty() ? 0 : POLLOUT;
      entries.push_back(
          {peer.socket.fd(), static_cast<short>(POLLIN | out), 0});
    }
  }
  poll(entries.data(), entries.size(), /*timeout=*/-1);
  uint64_t count;
  if (entries[0].revents != 0) {
    [[maybe_unused]] const ssize_t ignored =
        read(wake_.fd(), &count, sizeof(count));
  }
  return true;
}

void ControlChannel::Read(int peer) {
  char bytes[16384];
  while (!peers_[peer].end.has_value()) {
    const absl::StatusOr<size_t> count =
        ReadSome(peers_[peer].socket, absl::MakeSpan(bytes));
    if (!count.ok()) {
      // No last word: its process has ended, or the network has.
      End(peer,
          absl::UnavailableError(
              absl::StrCat(name_, ": lost: ", count.status().message())),
          /*finished_rounds=*/0);
      break;
    }
    if (*count == 0) return;
    peers_[peer].inbox.append(bytes, *count);
    TakeFrames(peer);
  }
  peers_[peer].socket = Socket();
}

void ControlChannel::TakeFrames(int peer) {
  std::string& inbox = peers_[peer].inbox;
  size_t taken = 0;
  while (!peers_[peer].end.has_value()) {
    const absl::string_view rest = absl::string_view(inbox).substr(taken);
    if (rest.size() < Frame::kHeaderBytes) break;
    const size_t content_bytes = Frame::ContentBytes(rest);
    absl::Status status;
    if (content_bytes > kMaxRoundBytes) {
      status = absl::DataLossError(
          absl::StrCat("announces a message of ", content_bytes, " bytes"));
    } else if (rest.size() < Frame::kHeaderBytes + content_bytes) {
      break;
    } else {
      status = TakeFrame(peer, Frame::Decode(rest.substr(
                                   0, Frame::kHeaderBytes + content_bytes)));
    }
    if (!status.ok()) End(peer, status, /*finished_rounds=*/0);
    taken += Frame::kHeaderBytes + content_bytes;
  }
  inbox.erase(0, std::min(taken, inbox.size()));
}

absl::Status ControlChannel::TakeFrame(int peer, const Frame& frame) {
  Peer& from = peers_[peer];
  if (frame.kind == Frame::kRound && frame.round == from.next_round) {
    ++from.next_round;
    from.rounds.push_back(std::string(frame.content));
    return absl::OkStatus();
  }
  if (frame.kind == Frame::kEnd && frame.code != 0) {
    End(peer,
        absl::Status(static_cast<absl::StatusCode>(frame.code), frame.content),
        frame.round);
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("a message of kind ", frame.kind, " for round ", frame.round,
                   " where round ", from.next_round, " was to come"));
}

void ControlChannel::End(int peer, absl::Status why, uint64_t finished_rounds) {
  if (peers_[peer].end.has_value()) return;
  peers_[peer].end = absl::Status(
      why.code(), absl::StrCat("rank ", peer, ": ", why.message()));
  peers_[peer].finished_rounds = finished_rounds;
  peers_[peer].outbox.clear();
  InterruptLocked();
}

void ControlChannel::SendToAll(absl::string_view frame) {
  bool has_unsent = false;
  for (int i = 1; i < size(); ++i) {
    // Each rank begins elsewhere, so that they do not all fill one inbox.
    const int peer = (rank_ + i) % size();
    Send(peer, frame);
    has_unsent = has_unsent || !peers_[peer].outbox.empty();
  }
  if (has_unsent) WakeThread();
}

void ControlChannel::Send(int peer, absl::string_view frame) {
  if (!peers_[peer].socket.is_open()) return;
  peers_[peer].outbox.append(frame.data(), frame.size());
  Flush(peers_[peer]);
}

void ControlChannel::Flush(Peer& peer) {
  const absl::StatusOr<size_t> count = WriteSome(peer.socket, peer.outbox);
  // A broken connection may still hold the peer's last word: the thread that
  // reads says what became of it.
  peer.outbox.erase(0, count.ok() ? *count : peer.outbox.size());
}

bool ControlChannel::HasUnsent() const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const Peer& peer) { return !peer.outbox.empty(); });
}

bool ControlChannel::RoundIsComplete() const {
  for (int i = 0; i < size(); ++i) {
    if (i != rank_ && peers_[i].rounds.empty()) return false;
  }
  return true;
}

std::vector<int> ControlChannel::SilentRanks() const {
  std::vector<int> silent;
  for (int i = 0; i < size(); ++i) {
    if (i != rank_ && peers_[i].rounds.empty()) silent.push_back(i);
  }
  return silent;
}

absl::Status ControlChannel::FailureLocked() const {
  if (!own_failure_.ok()) return own_failure_;
  for (const Peer& peer : peers_) {
    if (peer.end.has_value() && peer.finished_rounds <= first_round_of_call_) {
      return *peer.end;
    }
  }
  return absl::OkStatus();
}

void ControlChannel::WakeThread() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = write(wake_.fd(), &one, sizeof(one));
}

}  // namespace eplb
