// Rearrangements on real threads, hundreds of them and in the campaign
// thousands, over channels that fail at random operations, and in every way
// that there is, while serving threads check every row in every step.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/background/serving_rank_test.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

constexpr int kRanks = 3;
constexpr int kLayers = 4;
constexpr int kSlots = kRanks * 3;
constexpr int kExperts = kSlots - 2;

#ifndef EPLB_STRESS_IS_CAMPAIGN
#define EPLB_STRESS_IS_CAMPAIGN false
#endif

// In the campaign every operation of a run fails in every way, instead of a few
// in one each, and there are more runs.
constexpr bool kIsCampaign = EPLB_STRESS_IS_CAMPAIGN;

constexpr Fault::Kind kKinds[] = {
    Fault::Kind::kFailBefore, Fault::Kind::kFailDuring, Fault::Kind::kFailAfter,
    Fault::Kind::kDelay,      Fault::Kind::kDie,        Fault::Kind::kHang};
constexpr int kNumKinds = std::size(kKinds);

// Every layer another permutation, and two experts with a replica.
Placement SomePlacement(uint64_t seed) {
  DeterministicRandom random(seed, /*stream=*/7);
  std::vector<int32_t> experts;
  for (int layer = 0; layer < kLayers; ++layer) {
    const size_t begin = experts.size();
    for (int slot = 0; slot < kSlots; ++slot) {
      experts.push_back(slot < kExperts ? slot : random.NextBelow(kExperts));
    }
    for (int i = kSlots; i > 1; --i) {
      std::swap(experts[begin + i - 1], experts[begin + random.NextBelow(i)]);
    }
  }
  return *Placement::Create(kLayers, kExperts, kSlots, std::move(experts));
}

// What every rank was routed by in each step, compared as the ranks come along;
// and how far each has come, for as an engine's ranks need each other's tokens,
// none runs away.
class StepRecord {
 public:
  static constexpr int64_t kMaxLead = 8;

  // `rank` begins `step`.
  void Begin(int rank, int64_t step, uint64_t routes) {
    absl::MutexLock lock(&mutex_);
    const auto [place, is_first] = routes_of_step_.emplace(step, routes);
    EXPECT_EQ(place->second, routes) << "step " << step;
    step_of_rank_[rank] = step;
    moved_.SignalAll();
    while (*std::min_element(step_of_rank_.begin(), step_of_rank_.end()) <
           step - kMaxLead) {
      moved_.Wait(&mutex_);
    }
    routes_of_step_.erase(routes_of_step_.begin(),
                          routes_of_step_.lower_bound(step - 2 * kMaxLead));
  }

 private:
  absl::Mutex mutex_;
  absl::CondVar moved_;
  std::array<int64_t, kRanks> step_of_rank_ ABSL_GUARDED_BY(mutex_) = {};
  std::map<int64_t, uint64_t> routes_of_step_ ABSL_GUARDED_BY(mutex_);
};

struct StressOptions {
  uint64_t seed = 0;
  int64_t num_runs = 0;
  // At random operations of each epoch.
  bool has_faults = false;
  // One of the first epoch, on one rank.
  std::optional<Fault> fault = std::nullopt;
  std::chrono::nanoseconds timeout = std::chrono::seconds(20);
};

// A part of a step that is the engine's own.
void Rest(Clock& clock, std::chrono::nanoseconds duration) {
  absl::Mutex mutex;
  absl::CondVar never;
  absl::MutexLock lock(&mutex);
  const SteadyTime until = clock.Now() + duration;
  while (!clock.WaitUntil(never, mutex, until)) {
  }
}

std::vector<Fault> ScriptOf(const StressOptions& options, uint64_t attempt,
                            int rank) {
  if (options.fault.has_value()) {
    if (attempt > 0 || rank != options.fault->operation % kRanks) return {};
    return {*options.fault};
  }
  DeterministicRandom random(options.seed, /*stream=*/100 + attempt);
  const int victim = static_cast<int>(random.NextBelow(kRanks));
  const int64_t operation = random.NextBelow(300);
  const Fault::Kind kind = kKinds[random.NextBelow(3)];  // An error at once.
  if (!options.has_faults || rank != victim) return {};
  return {{.operation = operation, .kind = kind}};
}

// One rank, which serves until rank 0 has completed so many runs.
class StressedRank {
 public:
  StressedRank(const StressOptions& options, int rank, InProcessGroup& group,
               Clock& clock)
      : options_(options),
        number_(rank),
        clock_(clock),
        factory_(group.FactoryOfRank(rank)),
        random_(options.seed, /*stream=*/rank),
        rank_(SomePlacement(0), rank, kRanks, clock,
              [this](uint64_t attempt, SteadyTime deadline) {
                return Connect(attempt, deadline);
              },
              /*row_bytes=*/64, {.operation_timeout = options.timeout}) {}

  absl::Status Start() {
    return rank_.Start({.operation_timeout = options_.timeout});
  }

  // `last_step` is set by rank 0, well before it.
  void Serve(std::atomic<int64_t>& last_step, StepRecord& record) {
    for (int64_t step = 1; step <= last_step; ++step) {
      record.Begin(number_, step, rank_.HashOfRoutes());
      EPLB_ASSERT_OK(PassAtLast(step));
      failures_ += !rank_.background().TakeFailure().ok();
      rank_.MayRun(step, step % 8 == 0, SomePlacement(step));
      // Ranks drift apart by some steps.
      if (random_.NextBelow(4) == 0) {
        Rest(clock_, std::chrono::microseconds(random_.NextBelow(300)));
      }
      if (number_ == 0 && rank_.runs_completed() == options_.num_runs) {
        last_step = std::min<int64_t>(last_step, step + 100);
      }
    }
  }

  int64_t failures() const { return failures_; }
  int64_t layers_switched() const { return rank_.layers_switched(); }

 private:
  absl::StatusOr<ShuffleChannels> Connect(uint64_t attempt,
                                          SteadyTime deadline) {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> communicator,
                          factory_->Connect(attempt + 1, {0, 1, 2}, deadline));
    return ChannelsOver(std::make_unique<FaultyCommunicator>(
                            std::move(communicator), clock_,
                            ScriptOf(options_, attempt, number_)),
                        attempt + 1);
  }

  // In doubt, or at the fence, until the workers have connected anew.
  absl::Status PassAtLast(int64_t step) {
    while (true) {
      const absl::Status passed = rank_.Pass(step);
      if (!absl::IsUnavailable(passed) && !absl::IsDeadlineExceeded(passed)) {
        return passed;
      }
      Rest(clock_, std::chrono::microseconds(100));
    }
  }

  const StressOptions options_;
  const int number_;
  Clock& clock_;
  const std::unique_ptr<CommunicatorFactory> factory_;
  DeterministicRandom random_;
  ServingRank rank_;
  int64_t failures_ = 0;
};

void Stress(const StressOptions& options) {
  SystemClock clock;
  const auto group = *InProcessGroup::Create(kRanks, clock);
  StepRecord record;
  std::atomic<int64_t> last_step = std::numeric_limits<int64_t>::max();
  std::vector<std::unique_ptr<StressedRank>> ranks;
  std::vector<std::thread> threads;
  for (int r = 0; r < kRanks; ++r) {
    ranks.push_back(std::make_unique<StressedRank>(options, r, *group, clock));
    threads.emplace_back([&, rank = ranks.back().get()] {
      EPLB_ASSERT_OK(rank->Start());
      rank->Serve(last_step, record);
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t failures = 0;
  for (const auto& rank : ranks) {
    failures += rank->failures();
    EXPECT_GE(rank->layers_switched(), options.num_runs * kLayers);
  }
  // A delay, or a die that another failure overtakes, is none.
  if (!options.fault.has_value()) {
    EXPECT_EQ(failures > 0, options.has_faults);
  }
}

TEST(BackgroundStressTest, RunAfterRunNeverServesAWrongRow) {
  Stress({.seed = 1, .num_runs = kIsCampaign ? 1500 : 500});
}

TEST(BackgroundStressTest, NeitherDoesItWithFaultsAtEveryOperation) {
  // Now and then ranks wait half of the timeout for one that has failed.
  Stress({.seed = 2,
          .num_runs = kIsCampaign ? 500 : 200,
          .has_faults = true,
          .timeout = std::chrono::seconds(2)});
}

TEST(BackgroundStressTest, NorWhateverHappensAtAnyOperationOfARun) {
  // A run of four layers has fewer.
  constexpr int64_t kOperations = 42;
  // By default each kind once.
  const int64_t stride = kIsCampaign ? 1 : kNumKinds + 1;
  for (int64_t operation = 0; operation < kOperations; operation += stride) {
    for (int kind = 0; kind < kNumKinds; ++kind) {
      if (!kIsCampaign && kind != operation % kNumKinds) continue;
      SCOPED_TRACE(testing::Message()
                   << "operation " << operation << ", kind " << kind);
      Stress({.seed = 3,
              .num_runs = 3,
              .fault = Fault{.operation = operation,
                             .kind = kKinds[kind],
                             .delay = std::chrono::milliseconds(50)},
              .timeout = std::chrono::milliseconds(400)});
    }
  }
}

}  // namespace
}  // namespace eplb
