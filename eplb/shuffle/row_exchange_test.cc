#include "eplb/shuffle/row_exchange.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/faulty_communicator.h"
#include "testing/faulty_device.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr size_t kBytes = 40;

// Each of two ranks sends one row twice, to both ranks, and receives two.
class TwoRows {
 public:
  TwoRows(int rank, MemorySpace space) {
    row_.fill(static_cast<std::byte>(rank + 1));
    for (int peer = 0; peer < 2; ++peer) {
      sends_.push_back({peer, {row_.data(), kBytes, space}});
      receives_.push_back({peer, {received_[peer].data(), kBytes, space}});
    }
  }

  const std::vector<SendMessage>& sends() const { return sends_; }
  const std::vector<ReceiveMessage>& receives() const { return receives_; }

  void ExpectReceived() const {
    EXPECT_THAT(received_[0], Each(std::byte{1}));
    EXPECT_THAT(received_[1], Each(std::byte{2}));
  }

 private:
  std::array<std::byte, kBytes> row_;
  std::array<std::byte, kBytes> received_[2];
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
};

class RowExchangeTest : public ::testing::Test {
 protected:
  // Exchanges through host memory and compares checksums, with a fault in the
  // data of rank 0.
  std::vector<absl::Status> Run(bool through_host, std::vector<Fault> faults,
                                int num_exchanges = 1) {
    const MemorySpace space =
        through_host ? MemorySpace::kDevice : MemorySpace::kHost;
    return RunInProcessRanks(
        2, clock_,
        [&](std::unique_ptr<Communicator> communicator) -> absl::Status {
          const SteadyTime deadline = clock_.Now() + std::chrono::seconds(60);
          const int rank = communicator->rank();
          EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                                communicator->Clone("control", deadline));
          FaultyCommunicator data(std::move(communicator), clock_,
                                  rank == 0 ? faults : std::vector<Fault>{});
          FaultyDevice device({.memory_space = space});
          EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream,
                                device.CreateStream());
          RowExchange exchange(device, *stream, through_host);
          for (int i = 0; i < num_exchanges; ++i) {
            const TwoRows rows(rank, space);
            EPLB_RETURN_IF_ERROR(
                exchange.Prepare(rows.sends(), rows.receives(), deadline));
            EPLB_RETURN_IF_ERROR(exchange.Run(data, deadline));
            EPLB_RETURN_IF_ERROR(exchange.CompareChecksums(
                rows.sends(), rows.receives(), *control,
                [](size_t receive) {
                  return "receive " + std::to_string(receive);
                },
                deadline));
            rows.ExpectReceived();
          }
          // Three rows: what goes to both ranks lies there once.
          EXPECT_EQ(exchange.TakeHostMemory().num_bytes(),
                    through_host ? 3 * kBytes : 0);
          return absl::OkStatus();
        });
  }

  SystemClock clock_;
};

TEST_F(RowExchangeTest, MovesRowsOfTheHost) {
  EXPECT_THAT(Run(/*through_host=*/false, {}), Each(IsOk()));
}

TEST_F(RowExchangeTest, MovesDeviceRowsThroughHostMemoryThatItKeeps) {
  EXPECT_THAT(Run(/*through_host=*/true, {}, /*num_exchanges=*/3),
              Each(IsOk()));
}

TEST_F(RowExchangeTest, NamesARowWithAnotherChecksum) {
  for (const bool through_host : {false, true}) {
    const std::vector<absl::Status> results = Run(
        through_host, {{.kind = Fault::Kind::kFlipBit, .bit = 8 * kBytes + 3}});
    EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss,
                                     HasSubstr("receive 1: the checksum")));
    EPLB_EXPECT_OK(results[1]);
  }
}

}  // namespace
}  // namespace eplb
