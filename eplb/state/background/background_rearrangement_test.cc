#include "eplb/state/background/background_rearrangement.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_orders.h"
#include "eplb/state/background/background_parts.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/status_matchers.h"
#include "testing/weight_pattern.h"

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

// One rank, with its worker in a thread.
class Rank {
 public:
  Rank(InProcessGroup& group, Clock& clock, int rank)
      : clock_(clock),
        rank_(rank),
        factory_(group.FactoryOfRank(rank)),
        stream_(*device_.CreateStream()),
        memory_(kLayers * kSlots * kRowBytes) {
    std::vector<std::vector<ExpertTensor>> layers;
    for (int layer = 0; layer < kLayers; ++layer) {
      const auto experts = Before().experts_of_slots(layer);
      routes_.emplace_back(experts.begin(), experts.end());
      layers.push_back({{.name = "weight",
                         .data = Row(layer, 0),
                         .num_rows = kSlots,
                         .bytes_per_row = kRowBytes,
                         .stride_bytes = kRowBytes}});
      for (int slot = 0; slot < kSlots; ++slot) {
        FillRow(Held(layer, slot), absl::MakeSpan(Row(layer, slot), kRowBytes));
      }
    }
    shuffler_ = *WeightShuffler::Create(*ExpertWeights::Create(layers),
                                        Before(), device_, clock, {});
  }

  ~Rank() {
    if (!worker_.joinable()) return;
    EPLB_EXPECT_OK(background_->Shutdown());
    worker_.join();
  }

  // Blocks until all ranks do so.
  void Start(const BackgroundOptions& options = {}) {
    BackgroundDependencies dependencies{
        .shufflers = {shuffler_.get()},
        .device = &device_,
        .clock = &clock_,
        .connect =
            [this](uint64_t attempt, SteadyTime deadline) {
              return Connect(attempt, deadline);
            },
        .on_run_end =
            [this](const RunReport& report) {
              layers_agreed_ += report.layers_agreed;
            },
        .on_slow_wait = nullptr};
    background_ = std::make_unique<BackgroundRearrangement>(
        options, std::move(dependencies), *Connect(0, Soon()), 0);
    worker_ = std::thread([this] { background_->Run(); });
  }

  absl::Status Pass(int64_t step) {
    return background_->Pass(step, *stream_, publish_);
  }
  absl::Status Drain(int64_t step) {
    return background_->Drain(step, *stream_, publish_);
  }
  // A run to After(), if one begins.
  bool MayRun(int64_t step, bool at_interval) {
    if (!background_->BeginsRun(step, at_interval)) return false;
    background_->StartRun(
        step,
        [this](const ShuffleChannels&)
            -> absl::StatusOr<std::vector<ShuffleUnits>> {
          EPLB_ASSIGN_OR_RETURN(
              ShuffleUnits units,
              shuffler_->Plan(After(), *Topology::Uniform(kRanks), rank_));
          return std::vector<ShuffleUnits>{std::move(units)};
        });
    return true;
  }

  bool Holds(const Placement& placement) {
    for (int layer = 0; layer < kLayers; ++layer) {
      const auto experts = placement.experts_of_slots(layer);
      if (absl::MakeConstSpan(routes_[layer]) != experts) return false;
      for (int slot = 0; slot < kSlots; ++slot) {
        if (!HoldsRow(Held(layer, slot),
                      absl::MakeConstSpan(Row(layer, slot), kRowBytes))) {
          return false;
        }
      }
    }
    return true;
  }

  SteadyTime Soon() const { return clock_.Now() + std::chrono::seconds(60); }
  BackgroundRearrangement& background() { return *background_; }
  int layers_agreed() const { return layers_agreed_; }
  std::thread& worker() { return worker_; }

 private:
  std::byte* Row(int layer, int slot) {
    return memory_.data() + (layer * kSlots + slot) * kRowBytes;
  }
  WeightRow Held(int layer, int slot) const {
    return {.layer = layer, .expert = routes_[layer][rank_ * kSlots + slot]};
  }
  absl::StatusOr<ShuffleChannels> Connect(uint64_t attempt,
                                          SteadyTime deadline) {
    std::vector<int> members(kRanks);
    std::iota(members.begin(), members.end(), 0);
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                          factory_->Connect(attempt + 1, members, deadline));
    auto control =
        std::make_shared<CheckedCommunicator>(std::move(communicator));
    control->context().epoch = attempt + 1;
    return ShuffleChannels{control, control};
  }

  Clock& clock_;
  const int rank_;
  const std::unique_ptr<CommunicatorFactory> factory_;
  CpuDevice device_{{.num_threads = 1}};
  const std::unique_ptr<Stream> stream_;
  std::vector<std::byte> memory_;
  std::vector<std::vector<int32_t>> routes_;
  const std::function<absl::Status(int, const ShuffleUnit&)> publish_ =
      [this](int, const ShuffleUnit& unit) {
        for (const LayerChange& change : unit.layers) {
          routes_[change.layer] = change.new_experts;
        }
        return absl::OkStatus();
      };
  std::unique_ptr<WeightShuffler> shuffler_;
  std::unique_ptr<BackgroundRearrangement> background_;
  std::thread worker_;
  std::atomic<int> layers_agreed_ = 0;
};

class BackgroundRearrangementTest : public ::testing::Test {
 protected:
  BackgroundRearrangementTest() {
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks_.push_back(std::make_unique<Rank>(*group_, clock_, rank));
    }
  }

  // Runs `body` on a thread per rank.
  void OnEveryRank(const std::function<void(Rank&)>& body) {
    std::vector<std::thread> threads;
    for (const auto& rank : ranks_) {
      threads.emplace_back([&body, &rank] { body(*rank); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void StartAll() {
    OnEveryRank([](Rank& rank) { rank.Start(); });
  }

  SystemClock clock_;
  const std::unique_ptr<InProcessGroup> group_ =
      *InProcessGroup::Create(kRanks, clock_);
  std::vector<std::unique_ptr<Rank>> ranks_;
};

TEST_F(BackgroundRearrangementTest, MovesEveryLayerWhileStepsGoOn) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true));
    int64_t step = 1;
    // The run ends at a step, however slow the worker is.
    for (; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EXPECT_TRUE(rank.Holds(After()));
    EPLB_EXPECT_OK(rank.background().TakeFailure());
  });
}

TEST_F(BackgroundRearrangementTest, AnIntervalWhileBusyIsOverdueAfterTheEnd) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true));
    EXPECT_FALSE(rank.MayRun(1, true));
    int64_t step = 2;
    for (; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EXPECT_TRUE(rank.MayRun(step, false));
    EXPECT_EQ(rank.background().overdue_steps(), step - 1);
  });
}

TEST_F(BackgroundRearrangementTest, ADrainSwitchesWhatIsAgreedAndDropsTheRest) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true));
    EPLB_ASSERT_OK(rank.Drain(0));
    EXPECT_FALSE(rank.background().is_busy());
    EXPECT_EQ(rank.background().metrics().layers_pending, 0);
    // Whatever it was, the next run does what is left.
    EXPECT_TRUE(rank.MayRun(1, true));
    for (int64_t step = 1; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EXPECT_TRUE(rank.Holds(After()));
    EXPECT_EQ(rank.layers_agreed(), kLayers);
  });
}

TEST_F(BackgroundRearrangementTest, RanksThatDrainAtDifferentStepsAreToldSo) {
  StartAll();
  std::atomic<int> next_step = 5;
  OnEveryRank([&](Rank& rank) {
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

TEST_F(BackgroundRearrangementTest, TasksOfStepsMeetTheirLikeOnAllRanks) {
  StartAll();
  std::atomic<int> num_right = 0;
  OnEveryRank([&](Rank& rank) {
    rank.MayRun(0, true);
    for (int64_t step = 1; step <= 50; ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      rank.background().AddTask(
          step, [&, step](const ShuffleChannels& channels) {
            std::vector<int64_t> sums = {step};
            EPLB_RETURN_IF_ERROR(channels.control->AllReduceSum(
                absl::MakeSpan(sums), rank.Soon()));
            num_right += sums[0] == kRanks * step;
            return absl::OkStatus();
          });
    }
    EPLB_EXPECT_OK(rank.Drain(50));
  });
  EXPECT_EQ(num_right, kRanks * 50);
}

TEST_F(BackgroundRearrangementTest, AFailureIsToldOnceOnEveryRankAndOvercome) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    rank.background().AddTask(1, [](const ShuffleChannels&) {
      return absl::InternalError("no statistics today");
    });
    EPLB_ASSERT_OK(rank.Pass(1));
    // The worker reports it before it can agree on a drain.
    EPLB_ASSERT_OK(rank.Drain(1));
    EXPECT_FALSE(rank.background().TakeFailure().ok());
    EPLB_EXPECT_OK(rank.background().TakeFailure());
    EXPECT_TRUE(rank.MayRun(2, true));
    for (int64_t step = 2; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EXPECT_TRUE(rank.Holds(After()));
  });
}

TEST_F(BackgroundRearrangementTest,
       ChangedWeightsAreNeverOverwrittenByOldOnes) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    EXPECT_TRUE(rank.MayRun(0, true));
    rank.background().WeightsChanged();
    for (int64_t step = 1; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EPLB_EXPECT_OK(rank.background().TakeFailure());
    // A run that begins after the change is as good as any.
    EXPECT_TRUE(rank.MayRun(1'000'000, true));
    for (int64_t step = 1'000'001; rank.background().is_busy(); ++step) {
      EPLB_ASSERT_OK(rank.Pass(step));
      std::this_thread::yield();
    }
    EXPECT_TRUE(rank.Holds(After()));
  });
}

TEST_F(BackgroundRearrangementTest, AShutdownIsLocalAndMayBeRepeated) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    rank.MayRun(0, true);
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

TEST_F(BackgroundRearrangementTest, CountsWhatItCostTheServingThread) {
  StartAll();
  OnEveryRank([](Rank& rank) {
    rank.MayRun(0, true);
    int64_t steps = 0;
    while (rank.background().is_busy()) EPLB_ASSERT_OK(rank.Pass(++steps));
    const BackgroundMetrics metrics = rank.background().metrics();
    int64_t counted = 0;
    for (const int64_t bucket : metrics.stalls.buckets) counted += bucket;
    EXPECT_EQ(counted, steps);
    // One expert comes in for each slot and one goes out, in each layer.
    EXPECT_EQ(metrics.bytes_staged,
              2 * kLayers * kSlots * static_cast<int64_t>(kRowBytes));
    EXPECT_GT(metrics.bytes_per_second, 0);
    EXPECT_EQ(metrics.layers_pending, 0);
  });
}

}  // namespace
}  // namespace eplb
