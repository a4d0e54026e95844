// Rearranging in the background: what a step does and does not do, and what
// the rest of a state does meanwhile.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr int kRanks = 3;
constexpr int kSlotsPerRank = 4;

ModelShape ShapeOn(int num_ranks) {
  return {.num_layers = 4,
          .num_logical_experts = 8,
          .num_redundant_experts = num_ranks * kSlotsPerRank - 8,
          .num_expert_groups = 1};
}

EplbConfig AsyncConfig(int num_ranks = kRanks) {
  EplbConfig config;
  config.window_size = 20;
  config.step_interval = 40;
  config.num_redundant_experts = ShapeOn(num_ranks).num_redundant_experts;
  config.policy = "greedy";
  config.use_async = true;
  config.collective_timeout = std::chrono::seconds(30);
  return config;
}

std::vector<int> FirstRanks(int count) {
  std::vector<int> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// What the calling thread has done in steps.
struct StepWatch {
  bool is_in_step = false;
  int64_t waits = 0;
  int64_t collectives = 0;
};
thread_local StepWatch step_watch;

// The time of the machine; counts the waits of a thread while it is in a step.
class WatchedClock final : public Clock {
 public:
  SteadyTime Now() const override { return clock_.Now(); }
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    step_watch.waits += step_watch.is_in_step;
    return clock_.WaitUntil(changed, mutex, deadline);
  }

 private:
  SystemClock clock_;
};

// Counts the operations of a thread while it is in a step, and those of clones.
class WatchedCommunicator final : public Communicator {
 public:
  explicit WatchedCommunicator(std::unique_ptr<Communicator> communicator)
      : communicator_(std::move(communicator)) {}

  int rank() const override { return communicator_->rank(); }
  int size() const override { return communicator_->size(); }
  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override {
    return Watched().AllReduceSum(values, deadline);
  }
  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override {
    return Watched().AllGather(mine, all, deadline);
  }
  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override {
    return Watched().Broadcast(data, root, deadline);
  }
  absl::Status Barrier(SteadyTime deadline) override {
    return Watched().Barrier(deadline);
  }
  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override {
    return Watched().Exchange(sends, receives, deadline);
  }
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> clone,
                          Watched().Clone(name, deadline));
    return std::make_unique<WatchedCommunicator>(std::move(clone));
  }
  void Abort(absl::Status reason) override {
    communicator_->Abort(std::move(reason));
  }
  std::string ToString() const override { return communicator_->ToString(); }

 private:
  Communicator& Watched() {
    step_watch.collectives += step_watch.is_in_step;
    return *communicator_;
  }

  const std::unique_ptr<Communicator> communicator_;
};

class WatchedFactory final : public CommunicatorFactory {
 public:
  explicit WatchedFactory(CommunicatorFactory& factory) : factory_(factory) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                          factory_.Connect(epoch, members, deadline));
    return std::make_unique<WatchedCommunicator>(std::move(communicator));
  }

 private:
  CommunicatorFactory& factory_;
};

// Ranks with models and workers, on threads of one process.
std::vector<absl::Status> OnAsyncRanks(
    int num_ranks, Clock& clock,
    const std::function<absl::Status(int, TestRank&)>& body) {
  const auto background = *InProcessGroup::Create(num_ranks, clock);
  return OnTestRanks(
      num_ranks, clock, [&](int job_rank, CommunicatorFactory& factory) {
        const auto background_factory = background->FactoryOfRank(job_rank);
        WatchedFactory watched(factory);
        TestRank rank(watched, clock, FirstRanks(num_ranks));
        rank.background_factory = background_factory.get();
        return body(job_rank, rank);
      });
}

absl::Status Prepare(TestRank& rank, const EplbConfig& config) {
  EPLB_RETURN_IF_ERROR(rank.Create(config));
  EPLB_RETURN_IF_ERROR(rank.AddModel("main", ShapeOn(kRanks)));
  return rank.state->StartBackground();
}

// A pass and its step; every row and every output is checked.
absl::Status ServeStep(TestRank& rank, int phase, DeterministicRandom& random) {
  EPLB_RETURN_IF_ERROR(rank.Forward(/*num_tokens=*/60, phase, random));
  step_watch.is_in_step = true;
  const absl::Status stepped = rank.state->Step();
  step_watch.is_in_step = false;
  EPLB_RETURN_IF_ERROR(stepped);
  return rank.CheckRows();
}

absl::Status Serve(TestRank& rank, int num_steps) {
  DeterministicRandom random(1, static_cast<uint64_t>(rank.state->rank()));
  for (int step = 0; step < num_steps; ++step) {
    EPLB_RETURN_IF_ERROR(ServeStep(rank, step / 50, random));
  }
  return absl::OkStatus();
}

TEST(EplbStateAsyncTest, RearrangesWithoutACollectiveOrAWaitInAStep) {
  WatchedClock clock;
  std::atomic<int64_t> rearrangements = 0;
  EXPECT_THAT(
      OnAsyncRanks(
          kRanks, clock,
          [&](int, TestRank& rank) -> absl::Status {
            EPLB_RETURN_IF_ERROR(Prepare(rank, AsyncConfig()));
            DeterministicRandom random(1, rank.state->rank());
            int64_t steps_that_waited = 0;
            for (int step = 0; step < 400; ++step) {
              const int64_t waits_before = step_watch.waits;
              EPLB_RETURN_IF_ERROR(ServeStep(rank, step / 50, random));
              steps_that_waited += step_watch.waits > waits_before;
            }
            EXPECT_EQ(step_watch.collectives, 0);
            EXPECT_EQ(steps_that_waited,
                      rank.state->background_metrics().fence_waits.count);
            EPLB_RETURN_IF_ERROR(rank.state->Drain());
            EPLB_RETURN_IF_ERROR(rank.CheckRows());
            EXPECT_TRUE(rank.events.EventsOf<RearrangementFailed>().empty());
            rearrangements += static_cast<int64_t>(
                rank.events.EventsOf<RearrangementFinished>().size());
            return absl::OkStatus();
          }),
      Each(IsOk()));
  EXPECT_GE(rearrangements, 2 * kRanks);
}

// The most layers that change at the end of one step, on any rank.
int MostLayersSwitchedAtOnce(const EplbConfig& config) {
  SystemClock clock;
  std::atomic<int> most = 0;
  EXPECT_THAT(
      OnAsyncRanks(kRanks, clock,
                   [&](int, TestRank& rank) -> absl::Status {
                     EPLB_RETURN_IF_ERROR(Prepare(rank, config));
                     DeterministicRandom random(1, rank.state->rank());
                     for (int step = 0; step < 600; ++step) {
                       const Placement before = rank.state->placement(0);
                       EPLB_RETURN_IF_ERROR(ServeStep(rank, step / 50, random));
                       const Placement after = rank.state->placement(0);
                       int switched = 0;
                       for (int layer = 0; layer < 4; ++layer) {
                         switched += before.experts_of_slots(layer) !=
                                     after.experts_of_slots(layer);
                       }
                       if (switched > most) most = switched;
                     }
                     return rank.state->Drain();
                   }),
      Each(IsOk()));
  return most;
}

TEST(EplbStateAsyncTest, SwitchesLayersTogetherWithinTheBytesOfAStep) {
  EplbConfig config = AsyncConfig();
  config.staging_bytes = 1 << 20;
  EXPECT_EQ(MostLayersSwitchedAtOnce(config), 1);
  config.switch_bytes_per_step = 1 << 20;
  EXPECT_EQ(MostLayersSwitchedAtOnce(config), 4);
}

TEST(EplbStateAsyncTest, ReportsTheStatisticsOfEveryStepInOrder) {
  SystemClock clock;
  EplbConfig config = AsyncConfig();
  config.log_balancedness = true;
  config.log_balancedness_verbose = true;
  EXPECT_THAT(OnAsyncRanks(kRanks, clock,
                           [&](int, TestRank& rank) -> absl::Status {
                             EPLB_RETURN_IF_ERROR(Prepare(rank, config));
                             EPLB_RETURN_IF_ERROR(Serve(rank, 150));
                             EPLB_RETURN_IF_ERROR(rank.state->Drain());
                             const auto statistics =
                                 rank.events.EventsOf<StepStatistics>();
                             if (rank.state->rank() != 0) {
                               EXPECT_TRUE(statistics.empty());
                               return absl::OkStatus();
                             }
                             EXPECT_EQ(statistics.size(), 150);
                             for (size_t i = 0; i < statistics.size(); ++i) {
                               EXPECT_EQ(statistics[i].step, i);
                               // 60 ids on each of 3 ranks in each of 4 layers.
                               EXPECT_EQ(statistics[i].avg_tokens, 60 * 4);
                             }
                             return absl::OkStatus();
                           }),
              Each(IsOk()));
}

TEST(EplbStateAsyncTest, AnExplicitRearrangementAndAProfileDrainFirst) {
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(
          kRanks, clock,
          [&](int, TestRank& rank) -> absl::Status {
            EPLB_RETURN_IF_ERROR(Prepare(rank, AsyncConfig()));
            for (int round = 0; round < 6; ++round) {
              EPLB_RETURN_IF_ERROR(Serve(rank, 33));
              EPLB_RETURN_IF_ERROR(rank.state->Step({.is_profile = true}));
              EPLB_RETURN_IF_ERROR(rank.CheckRows());
              EPLB_RETURN_IF_ERROR(Serve(rank, 9));
              EPLB_RETURN_IF_ERROR(rank.state->Rearrange().status());
              EXPECT_EQ(rank.state->background_metrics().layers_pending, 0);
              EPLB_RETURN_IF_ERROR(rank.CheckRows());
            }
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateAsyncTest, ARecoveryInTheMiddleOfARunDrainsFirst) {
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(kRanks, clock,
                   [&](int, TestRank& rank) -> absl::Status {
                     EPLB_RETURN_IF_ERROR(Prepare(rank, AsyncConfig()));
                     for (int round = 0; round < 12; ++round) {
                       const int64_t next = 10 + 40 * round + round % 6;
                       EPLB_RETURN_IF_ERROR(
                           Serve(rank, next - rank.state->forward_id()));
                       EPLB_RETURN_IF_ERROR(rank.state->Recover());
                       EXPECT_EQ(
                           rank.state->background_metrics().layers_pending, 0);
                       EPLB_RETURN_IF_ERROR(rank.CheckRows());
                     }
                     return absl::OkStatus();
                   }),
      Each(IsOk()));
}

TEST(EplbStateAsyncTest, ARankThatShutsDownIsToldOfOnEveryOther) {
  SystemClock clock;
  EplbConfig config = AsyncConfig();
  config.log_balancedness = true;
  // A worker that is connecting anew ends within this.
  config.collective_timeout = std::chrono::seconds(10);
  std::atomic<bool> is_told = false;
  EXPECT_THAT(
      OnAsyncRanks(2 + 1, clock,
                   [&](int job_rank, TestRank& rank) -> absl::Status {
                     EPLB_RETURN_IF_ERROR(Prepare(rank, config));
                     EPLB_RETURN_IF_ERROR(Serve(rank, 12));
                     // Nothing is being agreed: no rank is left in doubt.
                     EPLB_RETURN_IF_ERROR(rank.state->Drain());
                     EPLB_RETURN_IF_ERROR(rank.control->Barrier(
                         clock.Now() + std::chrono::minutes(1)));
                     if (job_rank == 2) {
                       // From any thread, and more than once.
                       std::thread other(
                           [&] { EPLB_EXPECT_OK(rank.state->Shutdown()); });
                       EPLB_EXPECT_OK(rank.state->Shutdown());
                       other.join();
                       EXPECT_THAT(rank.state->Step(),
                                   StatusIs(absl::StatusCode::kCancelled,
                                            HasSubstr("shut down")));
                       return absl::OkStatus();
                     }
                     // The old placement goes on serving; one step says what
                     // happened.
                     absl::Status told;
                     const SteadyTime until =
                         clock.Now() + std::chrono::minutes(1);
                     while (told.ok() && clock.Now() < until) {
                       told = rank.state->Step();
                       std::this_thread::yield();
                     }
                     // Not one that asks for the same step again.
                     EXPECT_THAT(told, StatusIs(absl::StatusCode::kAborted,
                                                HasSubstr("has ended, but")));
                     const int64_t ended = rank.state->forward_id();
                     EPLB_EXPECT_OK(rank.state->Step());
                     EXPECT_EQ(rank.state->forward_id(), ended + 1);
                     is_told = true;
                     EPLB_RETURN_IF_ERROR(rank.CheckRows());
                     return rank.state->Shutdown();
                   }),
      Each(IsOk()));
  EXPECT_TRUE(is_told);
}

TEST(EplbStateAsyncTest, StartingIsForTheBackgroundModeAndOnce) {
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(2, clock,
                   [&](int, TestRank& rank) -> absl::Status {
                     EplbConfig config = AsyncConfig(2);
                     config.use_async = false;
                     EPLB_RETURN_IF_ERROR(rank.Create(config));
                     EPLB_RETURN_IF_ERROR(rank.AddModel("main", ShapeOn(2)));
                     EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
                     EPLB_RETURN_IF_ERROR(rank.state->Drain());
                     EPLB_RETURN_IF_ERROR(rank.state->Shutdown());
                     return Serve(rank, 45);
                   }),
      Each(IsOk()));
  EXPECT_THAT(
      OnAsyncRanks(kRanks, clock,
                   [&](int, TestRank& rank) -> absl::Status {
                     EPLB_RETURN_IF_ERROR(Prepare(rank, AsyncConfig()));
                     EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
                     EXPECT_THAT(
                         rank.AddModel("drafter", ShapeOn(kRanks)),
                         StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("comes after StartBackground")));
                     rank.engines.pop_back();
                     EPLB_RETURN_IF_ERROR(Serve(rank, 20));
                     // Nobody leaves while others step.
                     return rank.state->Drain();
                   }),
      Each(IsOk()));
}

TEST(EplbStateAsyncTest, RefusesNcclForDataUnlessItsOrderIsVouchedFor) {
  EplbConfig config = AsyncConfig();
  config.communicator = "nccl";
  SystemClock clock;
  EXPECT_THAT(
      OnAsyncRanks(1, clock,
                   [&](int, TestRank& rank) { return rank.Create(config); }),
      Each(StatusIs(absl::StatusCode::kInvalidArgument,
                    HasSubstr("data_has_dedicated_order"))));
}

}  // namespace
}  // namespace eplb
