#include "eplb/state/background/background_rearrangement.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/serving_rank_test.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr int kRanks = 2;
constexpr int kLayers = 2;
constexpr int kSlots = 2;  // Per rank.
constexpr size_t kRowBytes = 32;

const Placement& Before() {
  static const auto* const placement = new Placement(
      *Placement::Create(kLayers, 4, 4, {0, 1, 2, 3, 0, 1, 2, 3}));
  return *placement;
}
// Every slot changes.
const Placement& After() {
  static const auto* const placement = new Placement(
      *Placement::Create(kLayers, 4, 4, {3, 2, 1, 0, 3, 2, 1, 0}));
  return *placement;
}

class BackgroundRearrangementTest : public ::testing::Test {
 protected:
  BackgroundRearrangementTest() {
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks_.push_back(std::make_unique<ServingRank>(
          Before(), rank, kRanks, clock_,
          [this, rank,
           factory = std::shared_ptr<CommunicatorFactory>(group_->FactoryOfRank(
               rank))](uint64_t attempt,
                       SteadyTime deadline) -> absl::StatusOr<ShuffleChannels> {
            if (network_is_down_) {
              return absl::UnavailableError("the network is down");
            }
            EPLB_ASSIGN_OR_RETURN(
                std::unique_ptr<Communicator> communicator,
                factory->Connect(attempt + 1, {0, 1}, deadline));
            return ChannelsOver(
                std::make_unique<FaultyCommunicator>(
                    std::move(communicator), clock_,
                    attempt == 0 && rank == 1 ? faults_ : std::vector<Fault>()),
                attempt + 1);
          },
          kRowBytes));
    }
  }

  // Steps until the run has ended. Returns the step after.
  static int64_t StepToTheEnd(ServingRank& rank, int64_t step) {
    for (; rank.background().is_busy(); ++step) {
      const absl::Status passed = rank.Pass(step);
      EPLB_EXPECT_OK(passed);
      if (!passed.ok()) break;
      std::this_thread::yield();
    }
    return step;
  }

  static void ExpectMoved(const ServingRank& rank) {
    EXPECT_TRUE(rank.IsRoutedBy(After()));
    EXPECT_EQ(rank.FindWrongRow(), "");
  }

  // Runs `body` on a thread per rank.
  void OnEveryRank(const std::function<void(ServingRank&)>& body) {
    std::vector<std::thread> threads;
    for (const auto& rank : ranks_) {
      threads.emplace_back([&body, &rank] { body(*rank); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void StartAll(const BackgroundOptions& options = {},
                bool can_reconnect = true) {
    OnEveryRank([&](ServingRank& rank) {
      EPLB_ASSERT_OK(rank.Start(options, can_reconnect));
    });
  }

  // Waits for what other threads bring about.
  bool Await(const std::function<bool()>& condition) {
    const SteadyTime deadline = clock_.Now() + std::chrono::minutes(1);
    while (!condition() && clock_.Now() < deadline) std::this_thread::yield();
    return condition();
  }

  SystemClock clock_;
  std::atomic<bool> network_is_down_ = false;
  // Of rank 1, in the first epoch.
  std::vector<Fault> faults_;
  const std::unique_ptr<InProcessGroup> group_ =
      *InProcessGroup::Create(kRanks, clock_);
  std::vector<std::unique_ptr<ServingRank>> ranks_;
};

TEST_F(BackgroundRearrangementTest, MovesEveryLayerWhileStepsGoOn) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true, After()));
    StepToTheEnd(rank, 1);
    ExpectMoved(rank);
    EPLB_EXPECT_OK(rank.background().TakeFailure());
  });
}

TEST_F(BackgroundRearrangementTest, AnIntervalWhileBusyIsOverdueAfterTheEnd) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true, After()));
    EXPECT_FALSE(rank.MayRun(1, true, After()));
    const int64_t step = StepToTheEnd(rank, 2);
    EXPECT_TRUE(rank.MayRun(step, false, After()));
    EXPECT_EQ(rank.background().overdue_steps(), step - 1);
  });
}

TEST_F(BackgroundRearrangementTest, ADrainSwitchesWhatIsAgreedAndDropsTheRest) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true, After()));
    EPLB_ASSERT_OK(rank.Drain(0));
    EXPECT_FALSE(rank.background().is_busy());
    EXPECT_EQ(rank.background().metrics().layers_pending, 0);
    // Whatever it was, the next run does what is left.
    EXPECT_TRUE(rank.MayRun(1, true, After()));
    const int64_t step = StepToTheEnd(rank, 1);
    ExpectMoved(rank);
    // The worker counts the run when the serving thread may have seen its end.
    EPLB_ASSERT_OK(rank.Drain(step));
    EXPECT_EQ(rank.layers_agreed(), kLayers);
  });
}

TEST_F(BackgroundRearrangementTest, RanksThatDrainAtDifferentStepsAreToldSo) {
  StartAll();
  std::atomic<int> next_step = 5;
  OnEveryRank([&](ServingRank& rank) {
    const int64_t step = next_step++;
    EXPECT_THAT(rank.Drain(step),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("forward id")));
    // Others may have switched: no step before a drain that succeeds.
    EXPECT_THAT(rank.Pass(step + 1),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("has failed")));
    EPLB_EXPECT_OK(rank.Drain(7));
    EPLB_EXPECT_OK(rank.Pass(8));
  });
}

class FailedDrainTest : public BackgroundRearrangementTest,
                        public ::testing::WithParamInterface<int> {
 protected:
  FailedDrainTest() {
    faults_ = {{.operation = GetParam(), .kind = Fault::Kind::kFailAfter}};
  }

  static void DrainAtLast(ServingRank& rank, int64_t step) {
    absl::Status drained = rank.Drain(step);
    for (int i = 0; i < 100 && !drained.ok(); ++i) {
      EXPECT_THAT(rank.Pass(step + 1),
                  StatusIs(absl::StatusCode::kFailedPrecondition));
      drained = rank.Drain(step);
    }
    EPLB_EXPECT_OK(drained);
  }
};

// Rank 0 may have heard all others come where rank 1 fails, and go on.
TEST_P(FailedDrainTest, SucceedsWhereItIsCalledAgain) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    rank.MayRun(0, true, After());
    DrainAtLast(rank, 3);
    EPLB_EXPECT_OK(rank.Pass(4));
    DrainAtLast(rank, 4);
    EPLB_EXPECT_OK(rank.Pass(5));
    EXPECT_EQ(rank.FindWrongRow(), "");
  });
  EXPECT_EQ(ranks_[0]->HashOfRoutes(), ranks_[1]->HashOfRoutes());
}

// A run and two drains have fewer operations.
INSTANTIATE_TEST_SUITE_P(AtEveryOperation, FailedDrainTest,
                         ::testing::Range(0, 30));

TEST_F(BackgroundRearrangementTest, TasksOfStepsMeetTheirLikeOnAllRanks) {
  StartAll();
  std::atomic<int> num_right = 0;
  OnEveryRank([&](ServingRank& rank) {
    rank.MayRun(0, true, After());
    for (int64_t step = 1; step <= 50; ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      rank.background().AddTask(
          step, [&, step](const ShuffleChannels& channels) {
            std::vector<int64_t> sums = {step};
            EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(
                absl::MakeSpan(sums), clock_.Now() + std::chrono::seconds(60)));
            num_right += sums[0] == kRanks * step;
            return absl::OkStatus();
          });
    }
    EPLB_EXPECT_OK(rank.Drain(50));
  });
  EXPECT_EQ(num_right, kRanks * 50);
}

TEST_F(BackgroundRearrangementTest, TasksDoNotPileUpWhileRanksAreApart) {
  StartAll();
  network_is_down_ = true;
  std::atomic<int> num_cut_off = 0;
  std::atomic<int> num_right = 0;
  OnEveryRank([&](ServingRank& rank) {
    rank.background().AddTask(1, [](const ShuffleChannels&) {
      return absl::InternalError("no statistics today");
    });
    EPLB_ASSERT_OK(rank.Pass(1));
    const auto kept = std::make_shared<int>(0);
    for (int64_t step = 2; step <= 100; ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      rank.background().AddTask(
          step, [kept](const ShuffleChannels&) { return absl::OkStatus(); });
    }
    EXPECT_TRUE(Await([&] { return kept.use_count() == 1; }));
    if (++num_cut_off == kRanks) network_is_down_ = false;
    // What comes later finds its like again.
    EPLB_ASSERT_OK(rank.Drain(100));
    rank.background().AddTask(101, [&](const ShuffleChannels& channels) {
      std::vector<int64_t> sums = {1};
      EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(
          absl::MakeSpan(sums), clock_.Now() + std::chrono::seconds(60)));
      num_right += sums[0] == kRanks;
      return absl::OkStatus();
    });
    EPLB_ASSERT_OK(rank.Drain(101));
  });
  EXPECT_EQ(num_right, kRanks);
}

TEST_F(BackgroundRearrangementTest, ASlowWorkerSkipsTheSameTasksOnAllRanks) {
  StartAll({.max_waiting_tasks = 4});
  std::atomic<int> num_ready = 0;
  std::atomic<int> num_right = 0;
  std::atomic<int> num_wrong = 0;
  OnEveryRank([&](ServingRank& rank) {
    for (int64_t step = 1; step <= 100; ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      rank.background().AddTask(
          step, [&, step](const ShuffleChannels& channels) {
            if (step == 4) Await([&] { return num_ready == kRanks; });
            std::vector<int64_t> sums = {step};
            EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(
                absl::MakeSpan(sums), clock_.Now() + std::chrono::seconds(60)));
            ++(sums[0] == kRanks * step ? num_right : num_wrong);
            return absl::OkStatus();
          });
    }
    ++num_ready;
    EPLB_ASSERT_OK(rank.Drain(100));
    EPLB_EXPECT_OK(rank.background().TakeFailure());
  });
  EXPECT_EQ(num_wrong, 0);
  // The first four and the last.
  EXPECT_EQ(num_right, kRanks * 8);
}

TEST_F(BackgroundRearrangementTest, AFailureIsToldOnceOnEveryRankAndOvercome) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    rank.background().AddTask(1, [](const ShuffleChannels&) {
      return absl::InternalError("no statistics today");
    });
    EPLB_ASSERT_OK(rank.Pass(1));
    // The worker reports it before it can agree on a drain.
    EPLB_ASSERT_OK(rank.Drain(1));
    EXPECT_EQ(rank.failures_told(), 1);
    EXPECT_FALSE(rank.background().TakeFailure().ok());
    EPLB_EXPECT_OK(rank.background().TakeFailure());
    EXPECT_TRUE(rank.MayRun(2, true, After()));
    StepToTheEnd(rank, 2);
    ExpectMoved(rank);
  });
}

TEST_F(BackgroundRearrangementTest, RanksThatCannotConnectAnewDrainAlike) {
  StartAll({}, /*can_reconnect=*/false);
  OnEveryRank([](ServingRank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true, After()));
    rank.background().AddTask(1, [](const ShuffleChannels&) {
      return absl::InternalError("no statistics today");
    });
    for (int64_t step = 1; step <= 20; ++step) EPLB_ASSERT_OK(rank.Pass(step));
    EPLB_ASSERT_OK(rank.Drain(20));
    EXPECT_FALSE(rank.background().is_busy());
    EXPECT_EQ(rank.background().metrics().layers_pending, 0);
    EXPECT_FALSE(rank.background().TakeFailure().ok());
    // What there is goes on serving, and nothing moves any more.
    const uint64_t routes = rank.HashOfRoutes();
    EXPECT_TRUE(rank.MayRun(21, true, After()));
    for (int64_t step = 22; step <= 40; ++step) EPLB_ASSERT_OK(rank.Pass(step));
    EPLB_ASSERT_OK(rank.Drain(40));
    EXPECT_EQ(rank.HashOfRoutes(), routes);
    EXPECT_EQ(rank.FindWrongRow(), "");
  });
  EXPECT_EQ(ranks_[0]->HashOfRoutes(), ranks_[1]->HashOfRoutes());
}

TEST_F(BackgroundRearrangementTest,
       StepsGoOnAfterADrainThatNoRankCanHaveBegun) {
  StartAll({.operation_timeout = std::chrono::seconds(2)});
  network_is_down_ = true;
  OnEveryRank([](ServingRank& rank) {
    rank.background().AddTask(1, [](const ShuffleChannels&) {
      return absl::InternalError("no statistics today");
    });
    EPLB_ASSERT_OK(rank.Pass(1));
    EXPECT_THAT(rank.Drain(1), StatusIs(absl::StatusCode::kDeadlineExceeded));
    EPLB_EXPECT_OK(rank.Pass(2));
  });
  network_is_down_ = false;
  OnEveryRank([](ServingRank& rank) {
    EPLB_EXPECT_OK(rank.Drain(2));
    EPLB_EXPECT_OK(rank.Pass(3));
  });
}

TEST_F(BackgroundRearrangementTest,
       ChangedWeightsAreNeverOverwrittenByOldOnes) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true, After()));
    rank.background().WeightsChanged();
    const int64_t step = StepToTheEnd(rank, 1);
    EPLB_EXPECT_OK(rank.background().TakeFailure());
    // A run that begins after the change is as good as any.
    EXPECT_TRUE(rank.MayRun(step, true, After()));
    StepToTheEnd(rank, step + 1);
    ExpectMoved(rank);
  });
}

TEST_F(BackgroundRearrangementTest, AShutdownIsLocalAndMayBeRepeated) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    rank.MayRun(0, true, After());
    EPLB_ASSERT_OK(rank.Pass(1));
    EPLB_EXPECT_OK(rank.background().Shutdown());
    EPLB_EXPECT_OK(rank.background().Shutdown());
    EXPECT_THAT(rank.Pass(2),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("shut down")));
    EXPECT_THAT(rank.Drain(2), StatusIs(absl::StatusCode::kCancelled));
  });
}

TEST_F(BackgroundRearrangementTest, AShutdownWorksBeforeTheWorkerHasBegun) {
  StartAll();
  for (const auto& rank : ranks_) {
    std::thread other([&] { EPLB_EXPECT_OK(rank->background().Shutdown()); });
    EPLB_EXPECT_OK(rank->background().Shutdown());
    other.join();
  }
}

// Where the bandwidth allows: a step comes when a layer has been agreed on.
TEST(LargeModelTest, AllLayersSwitchWithinTenMoreSteps) {
  constexpr int kManyLayers = 58;
  const auto placement = [](std::vector<int32_t> layer) {
    std::vector<int32_t> experts;
    for (int i = 0; i < kManyLayers; ++i) {
      experts.insert(experts.end(), layer.begin(), layer.end());
    }
    return *Placement::Create(kManyLayers, 4, 4, std::move(experts));
  };
  SystemClock clock;
  const auto group = *InProcessGroup::Create(kRanks, clock);
  std::barrier step_together(kRanks);
  std::vector<std::thread> threads;
  for (int r = 0; r < kRanks; ++r) {
    threads.emplace_back([&, r] {
      const auto factory = group->FactoryOfRank(r);
      ServingRank rank(
          placement({0, 1, 2, 3}), r, kRanks, clock,
          [&](uint64_t attempt,
              SteadyTime deadline) -> absl::StatusOr<ShuffleChannels> {
            EPLB_ASSIGN_OR_RETURN(
                std::unique_ptr<Communicator> communicator,
                factory->Connect(attempt + 1, {0, 1}, deadline));
            return ChannelsOver(std::move(communicator), attempt + 1);
          });
      EPLB_ASSERT_OK(rank.Start());
      EXPECT_TRUE(rank.MayRun(0, true, placement({3, 2, 1, 0})));
      int64_t steps = 0;
      while (rank.background().is_busy()) {
        while (rank.background().metrics().layers_pending == 0 &&
               rank.layers_switched() < kManyLayers) {
          std::this_thread::yield();
        }
        step_together.arrive_and_wait();
        EPLB_ASSERT_OK(rank.Pass(++steps));
      }
      EXPECT_EQ(rank.layers_switched(), kManyLayers);
      EXPECT_LE(steps, kManyLayers + 10);
      EXPECT_TRUE(rank.IsRoutedBy(placement({3, 2, 1, 0})));
      step_together.arrive_and_drop();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(BackgroundRearrangementTest, CountsWhatItCostTheServingThread) {
  StartAll();
  OnEveryRank([](ServingRank& rank) {
    rank.MayRun(0, true, After());
    int64_t steps = 0;
    while (rank.background().is_busy()) EPLB_ASSERT_OK(rank.Pass(++steps));
    const BackgroundMetrics metrics = rank.background().metrics();
    int64_t counted = 0;
    for (const int64_t bucket : metrics.stalls.buckets) counted += bucket;
    EXPECT_EQ(counted, steps);
    // One expert comes in for each slot, in each layer.
    EXPECT_EQ(metrics.bytes_staged,
              kLayers * kSlots * static_cast<int64_t>(kRowBytes));
    EXPECT_GT(metrics.bytes_per_second, 0);
    EXPECT_EQ(metrics.layers_pending, 0);
  });
}

}  // namespace
}  // namespace eplb
