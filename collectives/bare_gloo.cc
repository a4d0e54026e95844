#include "collectives/bare_gloo.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "collectives/gloo_device.h"
#include "gloo/transport/address.h"
#include "gloo/transport/context.h"
#include "gloo/transport/pair.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {
namespace {

constexpr uint64_t kSlot = 0;

}  // namespace

BareGloo::BareGloo() {
  std::vector<std::vector<char>> addresses;
  for (int rank = 0; rank < 2; ++rank) {
    contexts_.push_back(MakeGlooContext({}, rank, /*num_ranks=*/2));
    contexts_[rank]->setTimeout(std::chrono::seconds(60));
    addresses.push_back(
        contexts_[rank]->createPair(1 - rank)->address().bytes());
  }
  const auto connect = [&](int rank) {
    contexts_[rank]->getPair(1 - rank)->connect(addresses[1 - rank]);
  };
  std::thread other(connect, 1);
  connect(0);
  other.join();
}

void BareGloo::Transfer(int rank, absl::Span<const uint8_t> sent,
                        absl::Span<uint8_t> received) {
  std::unique_ptr<gloo::transport::UnboundBuffer> in, out;
  if (!received.empty()) {
    in = contexts_[rank]->createUnboundBuffer(received.data(), received.size());
    in->recv(1 - rank, kSlot);
  }
  if (!sent.empty()) {
    // Gloo has one kind of buffer; it reads from this one.
    out = contexts_[rank]->createUnboundBuffer(
        const_cast<uint8_t*>(sent.data()), sent.size());
    out->send(1 - rank, kSlot);
    out->waitSend();
  }
  if (in != nullptr) in->waitRecv();
}

}  // namespace eplb
