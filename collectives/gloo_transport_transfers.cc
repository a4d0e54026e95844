#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/gloo_message.h"
#include "collectives/gloo_stream.h"
#include "collectives/gloo_transport_state.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {

absl::Status GlooTransport::State::Expect(
    absl::Span<const GlooMessage> receives) {
  if (context_ == nullptr) return absl::UnavailableError("closed");
  expected_ = MakeStreams(GlooStream::Direction::kReceive, receives);
  for (GlooStream& stream : expected_) {
    EPLB_RETURN_IF_ERROR(stream.PostFirst(*context_));
  }
  return absl::OkStatus();
}

absl::Status GlooTransport::State::Transfer(
    absl::Span<const GlooMessage> sends, absl::Span<const GlooMessage> receives,
    SteadyTime deadline) {
  if (context_ == nullptr) return absl::UnavailableError("closed");
  std::vector<GlooStream> send_streams =
      MakeStreams(GlooStream::Direction::kSend, sends);
  absl::Status status = expected_.empty() ? Expect(receives) : absl::OkStatus();
  if (status.ok()) status = Move(send_streams, deadline);
  if (status.ok()) {
    expected_.clear();
    return status;
  }
  // Before the buffers go: a closed pair does not touch them any more.
  ClosePairs();
  send_streams.clear();
  Close();
  return status;
}

std::vector<GlooStream> GlooTransport::State::MakeStreams(
    GlooStream::Direction direction,
    absl::Span<const GlooMessage> messages) const {
  std::vector<std::vector<GlooMessage>> of_peer(num_ranks_);
  for (const GlooMessage& message : messages) {
    of_peer[message.peer].push_back(message);
  }
  std::vector<GlooStream> streams;
  for (int i = 1; i < num_ranks_; ++i) {
    // Each rank begins elsewhere, so that they do not all wait for one.
    const int peer = (rank_ + i) % num_ranks_;
    if (of_peer[peer].empty()) continue;
    streams.emplace_back(direction, peer, std::move(of_peer[peer]));
  }
  return streams;
}

// Every rank finishes its pieces in the order of their numbers, whatever the
// stream, and a stream has as many posted as it may from the first unfinished
// one on. So the unfinished piece of the lowest number is posted on both sides:
// somebody can always go on.
absl::Status GlooTransport::State::Move(std::vector<GlooStream>& sends,
                                        SteadyTime deadline) {
  std::vector<GlooStream*> streams;
  for (GlooStream& stream : expected_) streams.push_back(&stream);
  for (GlooStream& stream : sends) {
    streams.push_back(&stream);
    EPLB_RETURN_IF_ERROR(stream.PostFirst(*context_));
  }
  size_t most_pieces = 0;
  for (const GlooStream* stream : streams) {
    most_pieces = std::max(most_pieces, stream->num_pieces());
  }
  for (size_t index = 0; index < most_pieces; ++index) {
    for (GlooStream* stream : streams) {
      if (index >= stream->num_pieces()) continue;
      EPLB_RETURN_IF_ERROR(Finish(*stream, index, deadline));
    }
  }
  return absl::OkStatus();
}

absl::Status GlooTransport::State::Finish(GlooStream& stream, size_t index,
                                          SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(Await(stream, index, deadline));
  return stream.Accept(index, *context_);
}

absl::Status GlooTransport::State::Await(GlooStream& stream, size_t index,
                                         SteadyTime deadline) {
  gloo::transport::UnboundBuffer& buffer = stream.buffer(index);
  {
    absl::MutexLock lock(&mutex_);
    if (is_interrupted_) return absl::CancelledError("interrupted");
    awaited_ = &buffer;
  }
  const SteadyTime begin = clock_.Now();
  const std::chrono::milliseconds timeout =
      std::min(progress_timeout_, AtLeastOne(deadline - begin));
  bool is_complete = false;
  absl::Status status = CatchGlooErrors(stream.ToString(), [&] {
    is_complete = stream.is_send() ? buffer.waitSend(nullptr, timeout)
                                   : buffer.waitRecv(nullptr, timeout);
  });
  {
    absl::MutexLock lock(&mutex_);
    awaited_ = nullptr;
  }
  if (status.ok()) {
    return is_complete ? status : absl::CancelledError("interrupted");
  }
  const SteadyTime now = clock_.Now();
  if (now >= deadline) {
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline passed while ", stream.ToString()));
  }
  if (now >= begin + timeout) {
    return absl::DeadlineExceededError(absl::StrCat(
        "no progress for ", timeout.count(), " ms while ", stream.ToString()));
  }
  return status;
}

}  // namespace eplb
