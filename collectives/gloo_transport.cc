#include "collectives/gloo_transport.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/gloo_device.h"
#include "collectives/gloo_message.h"
#include "collectives/gloo_stream.h"
#include "collectives/gloo_transport_state.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gloo/transport/address.h"
#include "gloo/transport/context.h"
#include "gloo/transport/pair.h"

namespace eplb {
namespace {

using Milliseconds = std::chrono::milliseconds;

// How long it may take until both sides of a connection know of it.
constexpr auto kConnectionIsSeenWithin = Milliseconds(100);

// Gloo waits five times as long as it was told when it connects.
constexpr int kGlooConnectFactor = 5;

}  // namespace

absl::Status GlooTransport::State::Listen(const GlooDeviceOptions& options,
                                          SteadyTime deadline) {
  const std::string& device = options.ibverbs_device.empty()
                                  ? options.listen_address
                                  : options.ibverbs_device;
  return CatchGlooErrors(absl::StrCat("listening on ", device), [&] {
    context_ = MakeGlooContext(options, rank_, num_ranks_);
    context_->setTimeout(
        AtLeastOne((deadline - clock_.Now()) / kGlooConnectFactor));
    for (int peer = 0; peer < num_ranks_; ++peer) {
      if (peer != rank_) context_->createPair(peer);
    }
  });
}

std::string GlooTransport::State::AddressFor(int peer) const {
  const std::vector<char> bytes = context_->getPair(peer)->address().bytes();
  return std::string(bytes.begin(), bytes.end());
}

void GlooTransport::State::Interrupt() {
  absl::MutexLock lock(&mutex_);
  is_interrupted_ = true;
  changed_.SignalAll();
  if (awaited_ == nullptr) return;
  // Whichever of the two is waited for.
  awaited_->abortWaitRecv();
  awaited_->abortWaitSend();
}

void GlooTransport::State::Close() {
  if (context_ == nullptr) return;
  ClosePairs();
  // After the connections: a closed one does not touch memory any more.
  expected_.clear();
  context_.reset();
}

void GlooTransport::State::ClosePairs() {
  for (int peer = 0; peer < num_ranks_; ++peer) {
    if (peer == rank_) continue;
    ClosePair(peer);
  }
}

void GlooTransport::State::ClosePair(int peer) {
  // One that is broken already may say so.
  CatchGlooErrors("close", [&] {
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
    status = CatchGlooErrors(absl::StrCat("connecting to rank ", peer), [&] {
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

absl::Status GlooTransport::Expect(absl::Span<const GlooMessage> receives) {
  return state_->Expect(receives);
}

absl::Status GlooTransport::Transfer(absl::Span<const GlooMessage> sends,
                                     absl::Span<const GlooMessage> receives,
                                     SteadyTime deadline) {
  return state_->Transfer(sends, receives, deadline);
}

void GlooTransport::Interrupt() { state_->Interrupt(); }
void GlooTransport::Close() { state_->Close(); }

}  // namespace eplb
