#include "collectives/gloo_transport.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/gloo_device.h"
#include "collectives/message_pieces.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gloo/transport/address.h"
#include "gloo/transport/context.h"
#include "gloo/transport/pair.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {
namespace {

using Milliseconds = std::chrono::milliseconds;

// Pieces posted per peer and direction: the wire stays busy while one is
// waited for.
constexpr size_t kPiecesInFlight = 4;

// Everything of one peer comes in order, so one slot is enough.
constexpr uint64_t kSlot = 1;

// How long it may take until both sides of a connection know of it.
constexpr auto kConnectionIsSeenWithin = Milliseconds(100);

// Gloo waits five times as long as it was told when it connects.
constexpr int kGlooConnectFactor = 5;

// Gloo's exceptions have no common base but std::exception.
absl::Status CatchAll(absl::string_view what, absl::FunctionRef<void()> body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(what, ": ", error.what()));
  }
}

// Not 0, which means for ever.
Milliseconds AtLeastOne(SteadyTime::duration duration) {
  return std::max(Milliseconds(1), std::chrono::ceil<Milliseconds>(duration));
}

}  // namespace

class GlooTransport::State {
 public:
  State(int rank, int num_ranks, Clock& clock, Milliseconds progress_timeout)
      : rank_(rank),
        num_ranks_(num_ranks),
        clock_(clock),
        progress_timeout_(progress_timeout) {}

  // Not Close: what was sent last may still be on its way.
  ~State() = default;

  absl::Status Listen(const GlooDeviceOptions& options, SteadyTime deadline) {
    const std::string& device = options.ibverbs_device.empty()
                                    ? options.listen_address
                                    : options.ibverbs_device;
    return CatchAll(absl::StrCat("listening on ", device), [&] {
      context_ = MakeGlooContext(options, rank_, num_ranks_);
      context_->setTimeout(
          AtLeastOne((deadline - clock_.Now()) / kGlooConnectFactor));
      for (int peer = 0; peer < num_ranks_; ++peer) {
        if (peer != rank_) context_->createPair(peer);
      }
    });
  }

  std::string AddressFor(int peer) const {
    const std::vector<char> bytes = context_->getPair(peer)->address().bytes();
    return std::string(bytes.begin(), bytes.end());
  }

  absl::Status Connect(absl::Span<const std::string> addresses,
                       SteadyTime deadline);

  absl::Status Transfer(absl::Span<const GlooMessage> sends,
                        absl::Span<const GlooMessage> receives,
                        SteadyTime deadline);

  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    is_interrupted_ = true;
    changed_.SignalAll();
    if (awaited_ == nullptr) return;
    // Whichever of the two is waited for.
    awaited_->abortWaitRecv();
    awaited_->abortWaitSend();
  }

  void Close() {
    if (context_ == nullptr) return;
    ClosePairs();
    context_.reset();
  }

 private:
  enum class Direction { kSend, kReceive };

  // A piece that Gloo is at work on.
  struct Posted {
    std::unique_ptr<gloo::transport::UnboundBuffer> buffer;
    std::vector<char> pack;
  };

  // All that goes to or comes from one peer in a transfer.
  struct Stream {
    Direction direction = Direction::kSend;
    int peer = 0;
    std::vector<const GlooMessage*> messages;
    std::vector<MessagePiece> pieces;
    std::vector<Posted> posted;  // By piece, modulo kPiecesInFlight.
  };

  bool BeginConnecting(int peer) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndConnecting(SteadyTime deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  void ClosePair(int peer);
  void ClosePairs();
  std::vector<Stream> MakeStreams(absl::Span<const GlooMessage> sends,
                                  absl::Span<const GlooMessage> receives);
  void AddStreams(Direction direction, absl::Span<const GlooMessage> messages,
                  std::vector<Stream>& streams);
  absl::Status Move(std::vector<Stream>& streams, SteadyTime deadline);
  absl::Status Post(Stream& stream, size_t index);
  absl::Status Finish(Stream& stream, size_t index, SteadyTime deadline);
  absl::Status Await(gloo::transport::UnboundBuffer& buffer,
                     const Stream& stream, SteadyTime deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const int rank_;
  const int num_ranks_;
  Clock& clock_;
  const Milliseconds progress_timeout_;
  std::shared_ptr<gloo::transport::Context> context_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool is_interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_connected_ ABSL_GUARDED_BY(mutex_) = false;
  int connecting_peer_ ABSL_GUARDED_BY(mutex_) = -1;
  gloo::transport::UnboundBuffer* awaited_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

void GlooTransport::State::ClosePairs() {
  for (int peer = 0; peer < num_ranks_; ++peer) {
    if (peer == rank_) continue;
    ClosePair(peer);
  }
}

void GlooTransport::State::ClosePair(int peer) {
  // One that is broken already may say so.
  CatchAll("close", [&] {
    if (auto& pair = context_->getPair(peer)) pair->close();
  }).IgnoreError();
}

absl::Status GlooTransport::State::Connect(
    absl::Span<const std::string> addresses, SteadyTime deadline) {
  std::thread watch([&] { EndConnecting(deadline); });
  absl::Status status;
  for (int peer = 0; status.ok() && peer < num_ranks_; ++peer) {
    if (peer == rank_) continue;
    if (!BeginConnecting(peer)) break;
    status = CatchAll(absl::StrCat("connecting to rank ", peer), [&] {
      context_->getPair(peer)->connect(
          std::vector<char>(addresses[peer].begin(), addresses[peer].end()));
    });
    if (clock_.Now() >= deadline) {
      status = absl::DeadlineExceededError(
          absl::StrCat("the deadline passed while connecting to rank ", peer));
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    has_connected_ = true;
    changed_.SignalAll();
    if (status.ok() && is_interrupted_) {
      status = absl::CancelledError("interrupted");
    }
  }
  watch.join();
  // Not Close, which resets connections: a peer whose Gloo has just accepted
  // one would end its process over that.
  if (!status.ok()) context_.reset();
  return status;
}

bool GlooTransport::State::BeginConnecting(int peer) {
  absl::MutexLock lock(&mutex_);
  connecting_peer_ = peer;
  return !is_interrupted_;
}

// Gloo counts its time anew for each peer, and knows no interruption; the
// connection that is waited for is closed. What has only just been made gets
// the time to be seen by both sides: the peer's Gloo would end its process.
void GlooTransport::State::EndConnecting(SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  while (!has_connected_ && !is_interrupted_) {
    if (clock_.WaitUntil(changed_, mutex_, deadline)) break;
  }
  const SteadyTime patience = clock_.Now() + kConnectionIsSeenWithin;
  while (!has_connected_ && !clock_.WaitUntil(changed_, mutex_, patience)) {
  }
  if (!has_connected_ && connecting_peer_ >= 0) ClosePair(connecting_peer_);
}

absl::Status GlooTransport::State::Transfer(
    absl::Span<const GlooMessage> sends, absl::Span<const GlooMessage> receives,
    SteadyTime deadline) {
  if (context_ == nullptr) return absl::UnavailableError("closed");
  std::vector<Stream> streams = MakeStreams(sends, receives);
  const absl::Status status = Move(streams, deadline);
  // Before the buffers go: a closed pair does not touch them any more.
  if (!status.ok()) ClosePairs();
  streams.clear();
  if (!status.ok()) Close();
  return status;
}

std::vector<GlooTransport::State::Stream> GlooTransport::State::MakeStreams(
    absl::Span<const GlooMessage> sends,
    absl::Span<const GlooMessage> receives) {
  std::vector<Stream> streams;
  // Receives first: what waits for its bytes needs no second message.
  AddStreams(Direction::kReceive, receives, streams);
  AddStreams(Direction::kSend, sends, streams);
  for (Stream& stream : streams) {
    std::vector<size_t> sizes;
    for (const GlooMessage* message : stream.messages) {
      sizes.push_back(message->num_bytes);
    }
    stream.pieces = CutIntoPieces(sizes);
    stream.posted.resize(std::min(kPiecesInFlight, stream.pieces.size()));
  }
  return streams;
}

void GlooTransport::State::AddStreams(Direction direction,
                                      absl::Span<const GlooMessage> messages,
                                      std::vector<Stream>& streams) {
  std::vector<Stream> of_peer(num_ranks_);
  for (const GlooMessage& message : messages) {
    of_peer[message.peer].messages.push_back(&message);
  }
  for (int i = 1; i < num_ranks_; ++i) {
    // Each rank begins elsewhere, so that they do not all wait for one.
    const int peer = (rank_ + i) % num_ranks_;
    if (of_peer[peer].messages.empty()) continue;
    of_peer[peer].direction = direction;
    of_peer[peer].peer = peer;
    streams.push_back(std::move(of_peer[peer]));
  }
}

// Every rank finishes its pieces in the order of their numbers, whatever the
// stream, and posts piece n when n - kPiecesInFlight is finished. So the
// unfinished piece of the lowest number is posted on both sides: somebody can
// always go on.
absl::Status GlooTransport::State::Move(std::vector<Stream>& streams,
                                        SteadyTime deadline) {
  size_t most_pieces = 0;
  for (Stream& stream : streams) {
    most_pieces = std::max(most_pieces, stream.pieces.size());
    for (size_t index = 0; index < stream.posted.size(); ++index) {
      EPLB_RETURN_IF_ERROR(Post(stream, index));
    }
  }
  for (size_t index = 0; index < most_pieces; ++index) {
    for (Stream& stream : streams) {
      if (index >= stream.pieces.size()) continue;
      EPLB_RETURN_IF_ERROR(Finish(stream, index, deadline));
      if (index + kPiecesInFlight < stream.pieces.size()) {
        EPLB_RETURN_IF_ERROR(Post(stream, index + kPiecesInFlight));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status GlooTransport::State::Post(Stream& stream, size_t index) {
  const MessagePiece& piece = stream.pieces[index];
  Posted& posted = stream.posted[index % kPiecesInFlight];
  char* data = stream.messages[piece.first_message]->data + piece.offset;
  if (piece.num_messages > 1) {
    posted.pack.resize(piece.num_bytes);
    data = posted.pack.data();
    if (stream.direction == Direction::kSend) {
      char* to = data;
      for (size_t i = 0; i < piece.num_messages; ++i) {
        const GlooMessage& message = *stream.messages[piece.first_message + i];
        if (message.num_bytes == 0) continue;
        std::memcpy(to, message.data, message.num_bytes);
        to += message.num_bytes;
      }
    }
  }
  const bool is_send = stream.direction == Direction::kSend;
  return CatchAll(
      absl::StrCat(is_send ? "sending to" : "receiving from", " rank ",
                   stream.peer),
      [&] {
        posted.buffer = context_->createUnboundBuffer(data, piece.num_bytes);
        if (is_send) {
          posted.buffer->send(stream.peer, kSlot, 0, piece.num_bytes);
        } else {
          posted.buffer->recv(stream.peer, kSlot, 0, piece.num_bytes);
        }
      });
}

absl::Status GlooTransport::State::Finish(Stream& stream, size_t index,
                                          SteadyTime deadline) {
  const MessagePiece& piece = stream.pieces[index];
  Posted& posted = stream.posted[index % kPiecesInFlight];
  EPLB_RETURN_IF_ERROR(Await(*posted.buffer, stream, deadline));
  posted.buffer.reset();
  if (piece.num_messages == 1 || stream.direction == Direction::kSend) {
    return absl::OkStatus();
  }
  const char* from = posted.pack.data();
  for (size_t i = 0; i < piece.num_messages; ++i) {
    const GlooMessage& message = *stream.messages[piece.first_message + i];
    if (message.num_bytes == 0) continue;
    std::memcpy(message.data, from, message.num_bytes);
    from += message.num_bytes;
  }
  return absl::OkStatus();
}

absl::Status GlooTransport::State::Await(gloo::transport::UnboundBuffer& buffer,
                                         const Stream& stream,
                                         SteadyTime deadline) {
  {
    absl::MutexLock lock(&mutex_);
    if (is_interrupted_) return absl::CancelledError("interrupted");
    awaited_ = &buffer;
  }
  const SteadyTime begin = clock_.Now();
  const Milliseconds timeout =
      std::min(progress_timeout_, AtLeastOne(deadline - begin));
  const bool is_send = stream.direction == Direction::kSend;
  const std::string what = absl::StrCat(
      is_send ? "sending to" : "receiving from", " rank ", stream.peer);
  bool is_complete = false;
  absl::Status status = CatchAll(what, [&] {
    is_complete = is_send ? buffer.waitSend(nullptr, timeout)
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
        absl::StrCat("the deadline passed while ", what));
  }
  if (now >= begin + timeout) {
    return absl::DeadlineExceededError(
        absl::StrCat("no progress for ", timeout.count(), " ms while ", what));
  }
  return status;
}

GlooTransport::GlooTransport(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
GlooTransport::~GlooTransport() = default;

absl::StatusOr<std::unique_ptr<GlooTransport>> GlooTransport::Create(
    const GlooDeviceOptions& options, int rank, int num_ranks, Clock& clock,
    SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(CheckGlooDevice(options));
  auto state =
      std::make_unique<State>(rank, num_ranks, clock, options.progress_timeout);
  EPLB_RETURN_IF_ERROR(state->Listen(options, deadline));
  return absl::WrapUnique(new GlooTransport(std::move(state)));
}

std::string GlooTransport::AddressFor(int peer) const {
  return state_->AddressFor(peer);
}

absl::Status GlooTransport::Connect(absl::Span<const std::string> addresses,
                                    SteadyTime deadline) {
  return state_->Connect(addresses, deadline);
}

absl::Status GlooTransport::Transfer(absl::Span<const GlooMessage> sends,
                                     absl::Span<const GlooMessage> receives,
                                     SteadyTime deadline) {
  return state_->Transfer(sends, receives, deadline);
}

void GlooTransport::Interrupt() { state_->Interrupt(); }
void GlooTransport::Close() { state_->Close(); }

}  // namespace eplb
