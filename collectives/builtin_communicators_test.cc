#include "collectives/builtin_communicators.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "collectives/channels.h"
#include "collectives/communicator.h"
#include "collectives/communicator_registry.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

class BuiltinCommunicatorsTest : public testing::Test {
 protected:
  // Both ranks choose `name` and say something on each channel.
  void Meet(const std::string& name, const CommunicationNeeds& needs,
            const std::string& expected_backend) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        CommunicatorRegistry registry;
        EPLB_ASSERT_OK(RegisterInProcess(registry, group_, rank));
        EPLB_ASSERT_OK(RegisterGloo(
            registry, {.job_id = "meet-" + name, .rank = rank, .num_ranks = 2},
            std::make_shared<DirectoryStore>(folder_.path()), clock_));
        EPLB_ASSERT_OK_AND_ASSIGN(const auto factory,
                                  registry.Make(name, needs));
        EXPECT_EQ(factory->data_name(), expected_backend);
        EPLB_ASSERT_OK_AND_ASSIGN(Channels channels,
                                  factory->Connect(1, {0, 1}, Soon()));
        EPLB_EXPECT_OK(channels.control->Barrier(Soon()));
        char sent = rank == 0 ? 'a' : 'b';
        char received = ' ';
        EPLB_EXPECT_OK(channels.data->Exchange(
            {SendMessage{1 - rank, {&sent, 1}}},
            {ReceiveMessage{1 - rank, {&received, 1}}}, Soon()));
        EXPECT_EQ(received, rank == 0 ? 'b' : 'a');
        // Nobody leaves while the other is still at it.
        EPLB_EXPECT_OK(channels.control->Barrier(Soon()));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  SteadyTime Soon() const { return clock_.Now() + std::chrono::seconds(60); }

  SystemClock clock_;
  const TemporaryFolder folder_;
  const std::shared_ptr<const InProcessGroup> group_ =
      *InProcessGroup::Create(2, clock_);
};

TEST_F(BuiltinCommunicatorsTest, ThreadsMeetInProcess) {
  Meet("auto", {.num_processes = 1}, "in_process");
}

TEST_F(BuiltinCommunicatorsTest, ProcessesMeetOverGloo) {
  Meet("auto", {.num_processes = 2}, "gloo");
}

TEST_F(BuiltinCommunicatorsTest, ThreadsMayMeetOverGlooByName) {
  Meet("gloo", {.num_processes = 1}, "gloo");
}

TEST_F(BuiltinCommunicatorsTest, RefusesARankThatIsNotInTheGroup) {
  CommunicatorRegistry registry;
  for (const int rank : {-1, 2}) {
    EXPECT_THAT(RegisterInProcess(registry, group_, rank),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr("not in [0, 2)")));
  }
}

}  // namespace
}  // namespace eplb
