#include "eplb/state/eplb_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/state_test_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "testing/in_process_ranks.h"
#include "testing/recording_event_sink.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;

// 4 slots on each of 2 ranks: 0 1 2 3 and 4 5 0 1.
constexpr ModelShape kShape{.num_layers = 2,
                            .num_logical_experts = 6,
                            .num_redundant_experts = 2,
                            .num_expert_groups = 1};

EplbConfig SmallConfig() {
  EplbConfig config;
  config.window_size = 4;
  config.step_interval = 8;
  config.num_redundant_experts = 2;
  config.policy = "greedy";
  return config;
}

// One rank of a test: its state over an in-process group, and an engine.
struct Rank {
  Rank(Communicator& communicator, Clock& test_clock)
      : control(communicator), clock(test_clock) {
    EXPECT_TRUE(RegisterBuiltinPolicies(policies).ok());
  }

  absl::Status Create(const EplbConfig& config) {
    EplbDependencies dependencies;
    dependencies.control = &control;
    dependencies.policies = &policies;
    dependencies.device = &device;
    dependencies.clock = &clock;
    dependencies.events = &events;
    EPLB_ASSIGN_OR_RETURN(state, EplbState::Create(config, dependencies));
    return absl::OkStatus();
  }

  // With weights that hold the initial placement.
  absl::Status AddModel(const std::string& name, const ModelShape& shape,
                        const ModelOptions& options = {}) {
    engines.push_back(std::make_unique<TestEngine>(
        shape, shape.num_physical_experts() / control.size()));
    engines.back()->Load(*Placement::Initial(shape), control.rank());
    return state->AddModel(name, shape, engines.back()->Weights(), options);
  }

  // A pass in which `counts` are added to the slots of every layer.
  void Count(int model, const std::vector<int32_t>& counts) {
    const ModelShape& shape = kShape;
    for (int layer = 0; layer < shape.num_layers; ++layer) {
      int32_t* const pass = state->layer_view(model, layer).pass_counts;
      for (size_t i = 0; i < counts.size(); ++i) pass[i] += counts[i];
    }
  }

  Communicator& control;
  Clock& clock;
  CpuDevice device{{.num_threads = 1}};
  PolicyRegistry policies;
  RecordingEventSink events;
  std::vector<std::unique_ptr<TestEngine>> engines;
  std::unique_ptr<EplbState> state;
};

// Runs `body` on every rank; what it returns, by rank.
std::vector<absl::Status> OnRanks(
    int num_ranks, const std::function<absl::Status(Rank&)>& body) {
  SystemClock clock;
  return RunInProcessRanks(num_ranks, clock,
                           [&](std::unique_ptr<Communicator> communicator) {
                             Rank rank(*communicator, clock);
                             return body(rank);
                           });
}

TEST(EplbStateTest, StartsWithTheInitialPlacementInEveryLayer) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                EXPECT_THAT(rank.state->placement(0).physical_to_logical_map(),
                            ElementsAre(0, 1, 2, 3, 4, 5, 0, 1,  //
                                        0, 1, 2, 3, 4, 5, 0, 1));
                EXPECT_EQ(rank.state->rearrangement_step(), 6);
                const LayerView view = rank.state->layer_view(0, 1);
                EXPECT_EQ(view.replica_counts[1], 2);
                EXPECT_EQ(view.routes.slots[view.routes.row_begin[1]], 1);
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, CountsEveryStepButRecordsNoDummy) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EplbConfig config = SmallConfig();
                config.window_size = 1000;
                config.step_interval = 1000;
                EPLB_RETURN_IF_ERROR(rank.Create(config));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                int64_t expected_step = 750;
                int64_t expected_load = 0;
                for (int step = 0; step < 240; ++step) {
                  const bool is_dummy = step % 3 == rank.control.rank();
                  rank.Count(0, {1, 0, 0, 0, 0, 0, 2, 0});
                  EPLB_RETURN_IF_ERROR(
                      rank.state->Step({.is_dummy = is_dummy}));
                  if (!is_dummy) expected_load += 3;
                  EXPECT_EQ(rank.state->rearrangement_step(), ++expected_step);
                  // Zeroed whether it counted or not.
                  EXPECT_EQ(rank.state->layer_view(0, 0).pass_counts[6], 0);
                }
                EPLB_ASSIGN_OR_RETURN(
                    const std::vector<ExpertLoads> loads,
                    rank.state->Rearrange({.execute_shuffle = false}));
                EXPECT_EQ(loads[0].at(1, 0), 2 * expected_load);
                EXPECT_EQ(loads[0].at(1, 1), 0);
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, LeavesCounterAndWindowAloneInAProfileStep) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                rank.Count(0, {5, 0, 0, 0});
                EPLB_RETURN_IF_ERROR(rank.state->Step({.is_profile = true}));
                EXPECT_EQ(rank.state->rearrangement_step(), 6);
                EXPECT_EQ(rank.state->forward_id(), -1);
                EXPECT_EQ(rank.state->layer_view(0, 0).pass_counts[0], 5);
                EXPECT_EQ(rank.engines[0]->FindWrongRow(
                              rank.state->placement(0), rank.control.rank()),
                          "");
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, RearrangesAtTheIntervalAndKeepsEveryRowRight) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                const LayerView before = rank.state->layer_view(0, 0);
                // Expert 4 gets nearly all: it should have the redundant slots.
                for (int step = 0; step < 2; ++step) {
                  rank.Count(0, {1, 1, 1, 1, 50, 1, 1, 1});
                  EPLB_RETURN_IF_ERROR(rank.state->Step());
                }
                EXPECT_EQ(rank.state->rearrangement_step(), 0);
                EXPECT_EQ(rank.state->placement(0).num_replicas(0, 4), 3);
                EXPECT_EQ(rank.engines[0]->FindWrongRow(
                              rank.state->placement(0), rank.control.rank()),
                          "");
                const LayerView after = rank.state->layer_view(0, 0);
                EXPECT_EQ(after.pass_counts, before.pass_counts);
                EXPECT_EQ(after.routes.slots, before.routes.slots);
                EXPECT_EQ(after.replica_counts, before.replica_counts);
                EXPECT_EQ(after.replica_counts[4], 3);
                const auto done = rank.events.EventsOf<RearrangementFinished>();
                if (done.size() != 1) return absl::InternalError("events");
                EXPECT_EQ(done[0].step, 1);
                EXPECT_GE(done[0].balancedness_planned,
                          done[0].balancedness_before);
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, CreditsLoadsToTheRightExpertAcrossAChangeOfPlacement) {
  // The placement changes at the end of the second step.
  for (const auto& [window, num_steps] :
       std::vector<std::pair<int, int>>{{3, 3}, {3, 4}, {3, 9}, {100, 9}}) {
    SCOPED_TRACE(absl::StrCat("window of ", window, ", ", num_steps, " steps"));
    EXPECT_THAT(
        OnRanks(2,
                [window = window,
                 num_steps = num_steps](Rank& rank) -> absl::Status {
                  EplbConfig config = SmallConfig();
                  config.window_size = window;
                  EPLB_RETURN_IF_ERROR(rank.Create(config));
                  EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                  // Each with 10 tokens for expert 3 and 40 for 4.
                  for (int step = 0; step < num_steps; ++step) {
                    const Placement& placement = rank.state->placement(0);
                    for (int layer = 0; layer < 2; ++layer) {
                      int32_t* const pass =
                          rank.state->layer_view(0, layer).pass_counts;
                      pass[placement.slots_of_expert(layer, 3)[0]] += 10;
                      pass[placement.slots_of_expert(layer, 4)[0]] += 40;
                    }
                    EPLB_RETURN_IF_ERROR(rank.state->Step());
                  }
                  EXPECT_NE(rank.state->placement(0),
                            *Placement::Initial(kShape));
                  EPLB_ASSIGN_OR_RETURN(
                      const std::vector<ExpertLoads> loads,
                      rank.state->Rearrange({.execute_shuffle = false}));
                  const int64_t steps = std::min(window, num_steps);
                  EXPECT_THAT(
                      loads[0].layer(1),
                      ElementsAre(0, 0, 0, 2 * 10 * steps, 2 * 40 * steps, 0));
                  return absl::OkStatus();
                }),
        Each(IsOk()));
  }
}

TEST(EplbStateTest, BalancesTwoModelsTogether) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                EPLB_RETURN_IF_ERROR(rank.state->Step());
                EXPECT_EQ(rank.state->rearrangement_step(), 7);
                ModelShape drafter = kShape;
                drafter.num_layers = 1;
                EPLB_RETURN_IF_ERROR(rank.AddModel("drafter", drafter));
                EXPECT_EQ(rank.state->rearrangement_step(), 6);
                for (int step = 0; step < 2; ++step) {
                  rank.state->layer_view(0, 0).pass_counts[4] = 70;
                  rank.state->layer_view(0, 1).pass_counts[5] = 70;
                  rank.state->layer_view(1, 0).pass_counts[2] = 70;
                  EPLB_RETURN_IF_ERROR(rank.state->Step());
                }
                EXPECT_EQ(rank.state->placement(0).num_replicas(0, 4), 3);
                EXPECT_EQ(rank.state->placement(0).num_replicas(1, 5), 3);
                EXPECT_EQ(rank.state->placement(1).num_replicas(0, 2), 3);
                for (const int model : {0, 1}) {
                  EXPECT_EQ(
                      rank.engines[model]->FindWrongRow(
                          rank.state->placement(model), rank.control.rank()),
                      "");
                }
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, RefusesAModelThatDoesNotFitTheOthers) {
  EXPECT_THAT(OnRanks(2,
                      [](Rank& rank) -> absl::Status {
                        EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                        EXPECT_THAT(rank.AddModel("main", kShape),
                                    StatusIs(absl::StatusCode::kAlreadyExists,
                                             HasSubstr("main")));
                        ModelShape other = kShape;
                        other.num_expert_groups = 2;
                        EXPECT_THAT(
                            rank.AddModel("drafter", other),
                            StatusIs(absl::StatusCode::kFailedPrecondition,
                                     AllOf(HasSubstr("2 groups"),
                                           HasSubstr("1 groups"))));
                        EXPECT_EQ(rank.state->num_models(), 1);
                        return absl::OkStatus();
                      }),
              Each(IsOk()));
}

TEST(EplbStateTest, SkipsWhatPromisesTooLittleAndWhatChangesNothing) {
  EXPECT_THAT(
      OnRanks(
          2,
          [](Rank& rank) -> absl::Status {
            EplbConfig config = SmallConfig();
            config.min_balancedness_gain = 0.9;
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
            EPLB_RETURN_IF_ERROR(rank.state->Rearrange({}).status());
            rank.Count(0, {1, 1, 1, 1, 50, 1, 1, 1});
            EPLB_RETURN_IF_ERROR(rank.state->Step());
            EPLB_RETURN_IF_ERROR(rank.state->Rearrange({}).status());
            const auto skipped = rank.events.EventsOf<RearrangementSkipped>();
            if (skipped.size() != 2) return absl::InternalError("events");
            EXPECT_THAT(skipped[0].reason, HasSubstr("no tokens"));
            EXPECT_THAT(skipped[1].reason, HasSubstr("promises"));
            EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
            EXPECT_THAT(rank.events.EventsOf<RearrangementFinished>(),
                        IsEmpty());
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateTest, PlansFromGivenLoadsInThePlaceOfRecordedOnes) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                EPLB_ASSIGN_OR_RETURN(
                    const ExpertLoads given,
                    ExpertLoads::Create(
                        2, 6, {1, 1, 90, 1, 1, 1, 1, 1, 1, 90, 1, 1}));
                EXPECT_THAT(rank.state->Rearrange({.execute_shuffle = false,
                                                   .global_loads = {given}}),
                            StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("execute_shuffle")));
                EPLB_RETURN_IF_ERROR(
                    rank.state->Rearrange({.global_loads = {given}}).status());
                EXPECT_EQ(rank.state->placement(0).num_replicas(0, 2), 3);
                EXPECT_EQ(rank.state->placement(0).num_replicas(1, 3), 3);
                EXPECT_EQ(rank.engines[0]->FindWrongRow(
                              rank.state->placement(0), rank.control.rank()),
                          "");
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, BalancesAModelAtOnceThatComesWithLoads) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                const Placement old = *Placement::Create(
                    2, 6, 8, {5, 4, 3, 2, 1, 0, 5, 4, 0, 0, 0, 1, 2, 3, 4, 5});
                const ExpertLoads loads = *ExpertLoads::Create(
                    2, 6, {90, 1, 1, 1, 1, 1, 1, 90, 1, 1, 1, 1});
                TestEngine engine(kShape, 4);
                engine.Load(old, rank.control.rank());
                const StartingLoads start{.loads = &loads, .placement = &old};
                EPLB_RETURN_IF_ERROR(rank.state->AddModel(
                    "main", kShape, engine.Weights(), {}, &start));
                EXPECT_EQ(rank.state->rearrangement_step(), 0);
                EXPECT_EQ(rank.state->placement(0).num_replicas(0, 0), 3);
                EXPECT_EQ(rank.state->placement(0).num_replicas(1, 1), 3);
                EXPECT_EQ(engine.FindWrongRow(rank.state->placement(0),
                                              rank.control.rank()),
                          "");
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, FillsTheSlotsOfRanksThatAreNewToAModel) {
  // The model ran on one rank, and now on two.
  constexpr ModelShape kWideShape{.num_layers = 2,
                                  .num_logical_experts = 4,
                                  .num_redundant_experts = 4,
                                  .num_expert_groups = 1};
  EXPECT_THAT(
      OnRanks(2,
              [&](Rank& rank) -> absl::Status {
                EplbConfig config = SmallConfig();
                config.num_redundant_experts = 4;
                // What no placement promises.
                config.min_balancedness_gain = 1;
                EPLB_RETURN_IF_ERROR(rank.Create(config));
                const Placement old =
                    *Placement::Create(2, 4, 4, {3, 2, 1, 0, 0, 1, 2, 3});
                const ExpertLoads loads =
                    *ExpertLoads::Create(2, 4, {1, 1, 1, 1, 1, 1, 1, 1});
                const RankMapping mapping = *RankMapping::Create({0}, 2);
                TestEngine engine(kWideShape, 4);
                if (rank.control.rank() == 0) engine.Load(old, 0);
                const StartingLoads start{.loads = &loads,
                                          .placement = &old,
                                          .rank_mapping = &mapping};
                EPLB_RETURN_IF_ERROR(rank.state->AddModel(
                    "main", kWideShape, engine.Weights(), {}, &start));
                EXPECT_THAT(rank.state->placement(0).physical_to_logical_map(),
                            Each(Ne(Placement::kEmptySlot)));
                EXPECT_EQ(engine.FindWrongRow(rank.state->placement(0),
                                              rank.control.rank()),
                          "");
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, RefusesStartingLoadsThatDoNotFitTheModel) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                const Placement placement = *Placement::Initial(kShape);
                const ExpertLoads loads = *ExpertLoads::Create(
                    2, 6, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
                const ExpertLoads of_other_experts =
                    *ExpertLoads::Create(2, 3, {1, 1, 1, 1, 1, 1});
                const RankMapping leaves = *RankMapping::Create({0, -1}, 1);
                TestEngine engine(kShape, 4);
                for (const auto& [start, words] :
                     std::vector<std::pair<StartingLoads, std::string>>{
                         {{.loads = &loads}, "need the placement"},
                         {{.placement = &placement}, "need the placement"},
                         {{.loads = &of_other_experts, .placement = &placement},
                          "2 layers and 3 experts"},
                         {{.loads = &loads,
                         .placement = &placement,
                         .rank_mapping = &leaves},
                          ""},
                     }) {
                  EXPECT_THAT(rank.state->AddModel(
                                  "main", kShape, engine.Weights(), {}, &start),
                              StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr(words)));
                  EXPECT_EQ(rank.state->num_models(), 0);
                }
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, ReturnsLoadsInTheOrderInWhichModelsWereAdded) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel("z", kShape));
                EPLB_RETURN_IF_ERROR(rank.AddModel("a", kShape));
                rank.Count(0, {0, 0, 3, 0});
                rank.Count(1, {0, 0, 0, 4});
                EPLB_RETURN_IF_ERROR(rank.state->Step());
                EPLB_ASSIGN_OR_RETURN(
                    const std::vector<ExpertLoads> loads,
                    rank.state->Rearrange({.execute_shuffle = false}));
                EXPECT_EQ(loads.size(), 2u);
                EXPECT_THAT(loads[0].layer(0), ElementsAre(0, 0, 6, 0, 0, 0));
                EXPECT_THAT(loads[1].layer(0), ElementsAre(0, 0, 0, 8, 0, 0));
                EXPECT_EQ(rank.state->placement(0),
                          *Placement::Initial(kShape));
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, ReportsWhatWasPlannedWithTheFirstPassOfANewPlacement) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EplbConfig config = SmallConfig();
                config.log_balancedness = true;
                EPLB_RETURN_IF_ERROR(rank.Create(config));
                EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                for (int step = 0; step < 5; ++step) {
                  rank.Count(0, {1, 1, 1, 1, 50, 1, 1, 1});
                  EPLB_RETURN_IF_ERROR(rank.state->Step());
                }
                if (rank.control.rank() != 0) return absl::OkStatus();
                const auto done = rank.events.EventsOf<RearrangementFinished>();
                const auto steps = rank.events.EventsOf<StepStatistics>();
                if (done.size() != 1 || steps.size() != 5) {
                  return absl::InternalError("events");
                }
                for (const StepStatistics& step : steps) {
                  EXPECT_EQ(
                      step.balancedness_planned,
                      step.step == done[0].step + 1
                          ? std::optional<double>(done[0].balancedness_planned)
                          : std::nullopt);
                }
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, CountsTokensOnceThatEveryRankCounts) {
  EXPECT_THAT(
      OnRanks(2,
              [](Rank& rank) -> absl::Status {
                EPLB_RETURN_IF_ERROR(rank.Create(SmallConfig()));
                EPLB_RETURN_IF_ERROR(rank.AddModel(
                    "main", kShape,
                    {.counted_experts = CountedExperts::kLogicalExperts,
                     .counted_tokens = CountedTokens::kAll}));
                rank.Count(0, {1, 2, 3, 4});
                EPLB_RETURN_IF_ERROR(rank.state->Step({.log_stats = true}));
                EPLB_ASSIGN_OR_RETURN(
                    const std::vector<ExpertLoads> loads,
                    rank.state->Rearrange({.execute_shuffle = false}));
                EXPECT_THAT(loads[0].layer(0), ElementsAre(1, 2, 3, 4, 0, 0));
                const auto steps = rank.events.EventsOf<StepStatistics>();
                if (rank.control.rank() == 0) {
                  if (steps.size() != 1) return absl::InternalError("events");
                  EXPECT_TRUE(steps[0].predicted);
                  EXPECT_EQ(steps[0].avg_tokens, 2 * 5);
                }
                return absl::OkStatus();
              }),
      Each(IsOk()));
}

TEST(EplbStateTest, ReportsOnRankZeroWhenTheCounterBeforeItsStepDivides) {
  EXPECT_THAT(OnRanks(2,
                      [](Rank& rank) -> absl::Status {
                        EplbConfig config = SmallConfig();
                        config.log_balancedness = true;
                        config.log_balancedness_verbose = true;
                        config.log_balancedness_interval = 4;
                        EPLB_RETURN_IF_ERROR(rank.Create(config));
                        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
                        // The counter goes 6 7, 0 to 7, 0: reports at 0, 4, 0.
                        for (int step = 0; step < 11; ++step) {
                          const bool is_dummy = step == 6;
                          rank.Count(0, {3, 0, 0, 0, 1, 0, 0, 0});
                          EPLB_RETURN_IF_ERROR(
                              rank.state->Step({.is_dummy = is_dummy}));
                        }
                        const auto steps =
                            rank.events.EventsOf<StepStatistics>();
                        if (rank.control.rank() != 0) {
                          EXPECT_THAT(steps, IsEmpty());
                          return absl::OkStatus();
                        }
                        if (steps.size() != 3)
                          return absl::InternalError("events");
                        EXPECT_EQ(steps[0].step, 2);
                        EXPECT_EQ(steps[0].steps_until_rearrangement, 8);
                        EXPECT_EQ(steps[0].balancedness, (3.0 + 1) / 2 / 3);
                        EXPECT_EQ(steps[0].max_tokens, 2 * 6);
                        EXPECT_FALSE(steps[0].predicted);
                        EXPECT_NE(steps[0].table, nullptr);
                        EXPECT_EQ(steps[1].step, 6);
                        EXPECT_EQ(steps[1].balancedness, 0);
                        EXPECT_EQ(steps[2].step, 10);
                        return absl::OkStatus();
                      }),
              Each(IsOk()));
}

}  // namespace
}  // namespace eplb
