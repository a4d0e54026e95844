#include "collectives/channels.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(30);

class ChannelsTest : public testing::Test {
 protected:
  // What `body` returned on each rank, over what its `make_factory` connects.
  std::vector<absl::Status> Run(
      absl::FunctionRef<std::unique_ptr<ChannelFactory>(
          int rank, std::unique_ptr<CommunicatorFactory>)>
          make_factory,
      absl::FunctionRef<absl::Status(Channels&)> body) {
    constexpr int kNumRanks = 3;
    const auto group = InProcessGroup::Create(kNumRanks, clock_);
    std::vector<absl::StatusOr<Channels>> channels(kNumRanks);
    std::vector<absl::Status> results(kNumRanks);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kNumRanks; ++rank) {
      threads.emplace_back([&, rank] {
        channels[rank] = make_factory(rank, (*group)->FactoryOfRank(rank))
                             ->Connect(/*epoch=*/5, {0, 1, 2}, kDeadline);
        results[rank] = channels[rank].ok() ? body(*channels[rank])
                                            : channels[rank].status();
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  FakeClock clock_;
};

absl::Status Sum(Communicator& communicator) {
  int64_t sum = communicator.rank();
  EPLB_RETURN_IF_ERROR(
      communicator.AllReduceSum(absl::MakeSpan(&sum, 1), kDeadline));
  EXPECT_EQ(sum, 3);
  return absl::OkStatus();
}

TEST_F(ChannelsTest, BothChannelsMayShareABackend) {
  EXPECT_THAT(Run(
                  [](int, std::unique_ptr<CommunicatorFactory> factory) {
                    return std::make_unique<ChannelFactory>("threads",
                                                            std::move(factory));
                  },
                  [](Channels& channels) -> absl::Status {
                    EXPECT_EQ(channels.control->context().epoch, 5);
                    EXPECT_EQ(channels.data->context().epoch, 5);
                    EPLB_RETURN_IF_ERROR(Sum(*channels.data));
                    EPLB_RETURN_IF_ERROR(Sum(*channels.control));
                    channels.data->Abort(absl::AbortedError("enough"));
                    return Sum(*channels.control);
                  }),
              Each(IsOk()));
}

TEST_F(ChannelsTest, TheDataChannelMayNeedItsOwnBackend) {
  // One that fails, and leaves both ways to say so.
  const ConnectData connect_data =
      [&](uint64_t epoch, std::unique_ptr<Communicator> control,
          SteadyTime) -> absl::StatusOr<std::unique_ptr<Communicator>> {
    EXPECT_EQ(epoch, 5);
    return std::make_unique<FaultyCommunicator>(
        std::move(control), clock_,
        std::vector<Fault>{
            {.operation = 1, .status = absl::DataLossError("link down")}});
  };
  EXPECT_THAT(
      Run(
          [&](int, std::unique_ptr<CommunicatorFactory> factory) {
            return std::make_unique<ChannelFactory>(
                "threads", std::move(factory), "links", connect_data);
          },
          [](Channels& channels) -> absl::Status {
            EPLB_RETURN_IF_ERROR(Sum(*channels.data));
            EXPECT_THAT(
                Sum(*channels.data),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("link down")));
            EPLB_RETURN_IF_ERROR(channels.data->Agree(0, kDeadline).status());
            return Sum(*channels.control);
          }),
      Each(IsOk()));
}

TEST_F(ChannelsTest, RanksThatChoseDifferentlyLearnIt) {
  EXPECT_THAT(Run(
                  [](int rank, std::unique_ptr<CommunicatorFactory> factory) {
                    const auto connect_data =
                        [](uint64_t, std::unique_ptr<Communicator> control,
                           SteadyTime)
                        -> absl::StatusOr<std::unique_ptr<Communicator>> {
                      return control;
                    };
                    return rank == 1 ? std::make_unique<ChannelFactory>(
                                           "threads", std::move(factory),
                                           "links", connect_data)
                                     : std::make_unique<ChannelFactory>(
                                           "threads", std::move(factory));
                  },
                  [](Channels& channels) { return Sum(*channels.data); }),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            testing::AllOf(HasSubstr("data over links"),
                                           HasSubstr("data over threads"),
                                           HasSubstr("rank 1")))));
}

}  // namespace
}  // namespace eplb
