// What a state does when something happens to a run in the background.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_faults.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kRanks = 3;
constexpr int kVictim = 1;
// After the state's own, of which a run begins after a quarter.
constexpr int kFirstRun = 10;

ModelShape Shape() {
  return {.num_layers = 4,
          .num_logical_experts = 8,
          .num_redundant_experts = 4,
          .num_expert_groups = 1};
}

EplbConfig Config() {
  EplbConfig config;
  config.window_size = 20;
  config.step_interval = 4 * kFirstRun;
  config.num_redundant_experts = Shape().num_redundant_experts;
  config.policy = "greedy";
  config.use_async = true;
  config.collective_timeout = std::chrono::seconds(30);
  return config;
}

// Connects nobody while the network is down.
class GatedFactory final : public CommunicatorFactory {
 public:
  GatedFactory(CommunicatorFactory& factory,
               const std::atomic<bool>& network_is_down)
      : factory_(factory), network_is_down_(network_is_down) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    if (network_is_down_) return absl::UnavailableError("the network is down");
    return factory_.Connect(epoch, members, deadline);
  }

 private:
  CommunicatorFactory& factory_;
  const std::atomic<bool>& network_is_down_;
};

// Ranks whose workers run, on threads of one process; the control channel of
// the victim's worker has faults, and is not replaced while the network is
// down.
void OnRanks(const EplbConfig& config, const std::vector<Fault>& script,
             const std::atomic<bool>& network_is_down,
             const std::function<absl::Status(TestRank&)>& body) {
  SystemClock clock;
  const auto background = *InProcessGroup::Create(kRanks, clock);
  EXPECT_THAT(
      OnTestRanks(
          kRanks, clock,
          [&](int job_rank, CommunicatorFactory& plain) -> absl::Status {
            const auto background_factory = background->FactoryOfRank(job_rank);
            GatedFactory gated(*background_factory, network_is_down);
            FaultyControlFactory factory(
                plain, clock,
                job_rank == kVictim ? script : std::vector<Fault>(),
                network_is_down, "eplb/background/control");
            TestRank rank(factory, clock, {0, 1, 2});
            rank.background_factory = &gated;
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", Shape()));
            EPLB_RETURN_IF_ERROR(rank.state->StartBackground());
            return body(rank);
          }),
      Each(IsOk()));
}

void OnRanks(const EplbConfig& config, const std::vector<Fault>& script,
             const std::function<absl::Status(TestRank&)>& body) {
  OnRanks(config, script, /*network_is_down=*/false, body);
}

// What the steps of one rank have said.
struct Told {
  int failures = 0;  // By steps that had ended.
  int doubts = 0;    // By steps that had not.
};

// A pass and its step, which is called until it has ended; `on_doubt` as well.
absl::Status ServeStep(TestRank& rank, int phase, DeterministicRandom& random,
                       Told& told, const std::function<void()>& on_doubt) {
  EPLB_RETURN_IF_ERROR(rank.Forward(/*num_tokens=*/60, phase, random));
  const int64_t forward_id = rank.state->forward_id() + 1;
  absl::Status stepped = rank.state->Step({.forward_id = forward_id});
  while (absl::IsUnavailable(stepped) || absl::IsDeadlineExceeded(stepped)) {
    ++told.doubts;
    if (on_doubt) on_doubt();
    EXPECT_THAT(rank.state->Step({.forward_id = forward_id + 1}),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("has not ended")));
    EXPECT_EQ(rank.state->forward_id(), forward_id);
    std::this_thread::yield();
    stepped = rank.state->Step({.forward_id = forward_id});
  }
  EXPECT_EQ(rank.state->forward_id(), forward_id);
  told.failures += !stepped.ok();
  return rank.CheckRows();
}

absl::Status Serve(TestRank& rank, int num_steps, Told& told,
                   const std::function<void()>& on_doubt = nullptr) {
  DeterministicRandom random(1, static_cast<uint64_t>(rank.state->rank()));
  for (int step = 0; step < num_steps; ++step) {
    EPLB_RETURN_IF_ERROR(ServeStep(rank, step / 50, random, told, on_doubt));
  }
  return absl::OkStatus();
}

// Until `is_done` on all ranks, for as many steps as the workers need.
absl::Status ServeUntil(TestRank& rank, Told& told,
                        const std::function<bool()>& is_done) {
  for (int round = 0; round < 500; ++round) {
    EPLB_RETURN_IF_ERROR(Serve(rank, kFirstRun, told));
    std::vector<int64_t> num_done = {is_done() ? 1 : 0};
    EPLB_RETURN_IF_ERROR(rank.control->AllReduceSum(
        absl::MakeSpan(num_done), rank.clock.Now() + std::chrono::minutes(1)));
    if (num_done[0] == kRanks) return rank.state->Drain();
  }
  return absl::DeadlineExceededError("what the test waits for has not come");
}

absl::Status ServeUntilMoved(TestRank& rank, Told& told) {
  return ServeUntil(rank, told, [&] {
    return !rank.events.EventsOf<RearrangementFinished>().empty();
  });
}

TEST(EplbStateAsyncFailureTest, AFailureIsToldOnEveryRankAndTheNextRunMoves) {
  // Of the collectives of the first plan.
  OnRanks(Config(), {{.operation = 3}}, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(Serve(rank, 2 * kFirstRun, told));
    // The worker is past the failure then.
    EPLB_RETURN_IF_ERROR(rank.state->Drain());
    EPLB_RETURN_IF_ERROR(Serve(rank, 1, told));
    EXPECT_EQ(told.failures, 1);
    EXPECT_EQ(told.doubts, 0);
    EXPECT_THAT(rank.events.EventsOf<RearrangementFailed>(), SizeIs(1));
    EXPECT_THAT(rank.events.EventsOf<RearrangementFinished>(), IsEmpty());
    EPLB_RETURN_IF_ERROR(ServeUntilMoved(rank, told));
    EXPECT_EQ(told.failures, 1);
    return rank.CheckRows();
  });
}

// At one of them the victim does not know what the others agreed on.
TEST(EplbStateAsyncFailureTest, WhateverFailsRanksCountAndServeAlike) {
  std::atomic<int> doubts = 0;
  std::atomic<int> failures = 0;
  EplbConfig config = Config();
  // Workers that were apart meet again within a few sixteenths of it.
  config.collective_timeout = std::chrono::seconds(4);
  for (int64_t operation = 1; operation < 24; ++operation) {
    SCOPED_TRACE(testing::Message() << "operation " << operation);
    std::atomic<bool> network_is_down = true;
    OnRanks(config, {{.operation = operation, .kind = Fault::Kind::kFailAfter}},
            network_is_down, [&](TestRank& rank) -> absl::Status {
              Told told;
              EPLB_RETURN_IF_ERROR(Serve(rank, 6 * kFirstRun, told,
                                         [&] { network_is_down = false; }));
              EXPECT_EQ(rank.state->forward_id(), 6 * kFirstRun - 1);
              EPLB_RETURN_IF_ERROR(rank.CheckRows());
              // Nobody leaves while others serve.
              EPLB_RETURN_IF_ERROR(rank.control->Barrier(
                  rank.clock.Now() + std::chrono::minutes(1)));
              doubts += told.doubts;
              failures += told.failures;
              return rank.state->Shutdown();
            });
  }
  EXPECT_GT(doubts, 0);
  EXPECT_GT(failures, 0);
}

TEST(EplbStateAsyncFailureTest, AFailureOfStatisticsIsAnEventOfItsOwn) {
  EplbConfig config = Config();
  config.log_balancedness = true;
  OnRanks(config, {{.operation = 3}}, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(Serve(rank, kFirstRun - 1, told));
    EPLB_RETURN_IF_ERROR(rank.state->Drain());
    EXPECT_THAT(rank.events.EventsOf<BackgroundFailed>(), Not(IsEmpty()));
    EXPECT_THAT(rank.events.EventsOf<RearrangementFailed>(), IsEmpty());
    return absl::OkStatus();
  });
}

TEST(EplbStateAsyncFailureTest, ALongWaitAtTheFenceNamesWhoseWorkerIsSilent) {
  EplbConfig config = Config();
  config.collective_timeout = std::chrono::seconds(3);
  // Each by less than the timeout, and by more than a sixth of it.
  std::vector<Fault> script;
  for (int64_t operation = 8; operation < 100; ++operation) {
    script.push_back({.operation = operation,
                      .kind = Fault::Kind::kDelay,
                      .delay = std::chrono::milliseconds(600)});
  }
  OnRanks(config, script, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(Serve(rank, kFirstRun, told));
    const SteadyTime until = rank.clock.Now() + std::chrono::minutes(1);
    while (rank.events.EventsOf<FenceWait>().empty() &&
           rank.clock.Now() < until) {
      rank.state->Step().IgnoreError();
    }
    EXPECT_THAT(rank.events.EventsOf<FenceWait>(), SizeIs(1));
    for (const FenceWait& wait : rank.events.EventsOf<FenceWait>()) {
      EXPECT_THAT(wait.silent_ranks, ElementsAre(kVictim));
      // A sixth of what is left of the timeout when the wait begins.
      EXPECT_GT(wait.seconds, 0.25);
    }
    EPLB_RETURN_IF_ERROR(
        rank.control->Barrier(rank.clock.Now() + std::chrono::minutes(1)));
    return rank.state->Shutdown();
  });
}

TEST(EplbStateAsyncFailureTest, AnIntervalDuringARunIsOverdueAfterIt) {
  EplbConfig config = Config();
  // A run of four layers takes five steps at least.
  config.step_interval = 4;
  OnRanks(config, {}, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(ServeUntil(rank, told, [&] {
      const auto runs = rank.events.EventsOf<RearrangementStarted>();
      return std::any_of(runs.begin(), runs.end(),
                         [](const auto& run) { return run.overdue_steps > 0; });
    }));
    EXPECT_EQ(told.failures, 0);
    return rank.CheckRows();
  });
}

TEST(EplbStateAsyncFailureTest, ChangedWeightsEndARunAndTheNextOneMoves) {
  OnRanks(Config(), {}, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(Serve(rank, kFirstRun, told));
    // The run has just been ordered.
    rank.state->WeightsChanged();
    EPLB_RETURN_IF_ERROR(ServeUntilMoved(rank, told));
    EXPECT_EQ(told.failures, 0);
    EXPECT_THAT(rank.events.EventsOf<RearrangementFailed>(), IsEmpty());
    return rank.CheckRows();
  });
}

TEST(EplbStateAsyncFailureTest, AShutdownInTheMiddleOfARunSwitchesNothingMore) {
  OnRanks(Config(), {}, [](TestRank& rank) -> absl::Status {
    Told told;
    EPLB_RETURN_IF_ERROR(Serve(rank, kFirstRun + 2, told));
    EPLB_EXPECT_OK(rank.state->Shutdown());
    const Placement placement = rank.state->placement(0);
    EXPECT_THAT(rank.state->Step(),
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("shut down")));
    EXPECT_EQ(rank.state->placement(0), placement);
    return rank.CheckRows();
  });
}

}  // namespace
}  // namespace eplb
