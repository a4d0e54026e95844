#include "benchmarks/collectives_yardsticks.h"

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/bare_socket.h"
#include "collectives/bare_gloo.h"

namespace eplb {

TwoRankTransfer::TwoRankTransfer(size_t num_bytes, bool is_both_ways)
    : sent(2), received(2), both_ways(is_both_ways) {
  for (int rank = 0; rank < 2; ++rank) {
    if (Receives(rank)) received[rank].resize(num_bytes);
    if (!Sends(rank)) continue;
    sent[rank].resize(num_bytes);
    for (size_t i = 0; i < num_bytes; ++i) {
      sent[rank][i] = i * 7 + (i >> 12) + rank;
    }
  }
}

TransferYardstick MemcpyYardstick() {
  return {"memcpy", [](TwoRankTransfer& transfer, int rank) {
            if (!transfer.Receives(rank)) return;
            const auto& from = transfer.sent[1 - rank];
            std::memcpy(transfer.received[rank].data(), from.data(),
                        from.size());
            benchmark::ClobberMemory();
          }};
}

TransferYardstick BareGlooYardstick() {
  return {"gloo", [gloo = std::make_shared<BareGloo>()](
                      TwoRankTransfer& transfer, int rank) {
            gloo->Transfer(rank, transfer.sent[rank],
                           absl::MakeSpan(transfer.received[rank]));
          }};
}

TransferYardstick BareSocketYardstick() {
  return {"socket", [socket = std::make_shared<BareSocket>()](
                        TwoRankTransfer& transfer, int rank) {
            const bool is_done =
                rank == 0
                    ? socket->Send(0, transfer.sent[0])
                    : socket->Receive(1, absl::MakeSpan(transfer.received[1]));
            if (!is_done) std::abort();
          }};
}

BarrierYardstick StdBarrierYardstick(int num_ranks) {
  return {"std_barrier", [barrier = std::make_shared<std::barrier<>>(
                              num_ranks)](int) { barrier->arrive_and_wait(); }};
}

BarrierYardstick GlooPingPongYardstick() {
  return {"gloo", [gloo = std::make_shared<BareGloo>()](int rank) {
            uint8_t sent = 0, received = 0;
            gloo->Transfer(rank, absl::MakeSpan(&sent, 1),
                           absl::MakeSpan(&received, 1));
          }};
}

BarrierYardstick SocketPingPongYardstick() {
  return {"socket", [socket = std::make_shared<BareSocket>()](int rank) {
            uint8_t sent = 0, received = 0;
            if (!socket->Send(rank, absl::MakeSpan(&sent, 1)) ||
                !socket->Receive(rank, absl::MakeSpan(&received, 1))) {
              std::abort();
            }
          }};
}

}  // namespace eplb
