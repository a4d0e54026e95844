// Ranks that do not fit the others: all get the error, none hangs, and the
// weights stay as they were.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_engine.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/placement_policy.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kNumRanks = 8;
constexpr ModelShape kShape{.num_layers = 2,
                            .num_logical_experts = 12,
                            .num_redundant_experts = 4,
                            .num_expert_groups = 1};

EplbConfig Config() {
  EplbConfig config;
  config.window_size = 10;
  config.step_interval = 4;
  config.num_redundant_experts = 4;
  config.policy = "greedy";
  return config;
}

const std::vector<int>& AllRanks() {
  static const auto& ranks = *new std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7};
  return ranks;
}

// Fails where it is told to; else puts expert (slot + turn) % experts.
class ScriptedPolicy final : public PlacementPolicy {
 public:
  ScriptedPolicy(int turn, absl::Status status)
      : turn_(turn), status_(std::move(status)) {}

 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& /*warnings*/) const override {
    if (!status_.ok()) return status_;
    std::vector<int32_t> experts;
    for (int layer = 0; layer < request.shape.num_layers; ++layer) {
      for (int slot = 0; slot < request.shape.num_physical_experts(); ++slot) {
        experts.push_back((slot + turn_) % request.shape.num_logical_experts);
      }
    }
    return experts;
  }

  const int turn_;
  const absl::Status status_;
};

// Makes all tokens of the next step those of expert `expert`.
void CountOnly(EplbState& state, int expert) {
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    const int slot = state.placement(0).slots_of_expert(layer, expert)[0];
    state.layer_view(0, layer).pass_counts[slot] = 100;
  }
}

std::vector<absl::Status> OnEightRanks(
    const std::function<absl::Status(int, TestRank&)>& body) {
  SystemClock clock;
  return OnTestRanks(kNumRanks, clock,
                     [&](int job_rank, CommunicatorFactory& factory) {
                       TestRank rank(factory, clock, AllRanks());
                       return body(job_rank, rank);
                     });
}

TEST(EplbStateFailureTest, NamesTheFieldThatOneRankSetsDifferently) {
  EXPECT_THAT(OnEightRanks([](int job_rank, TestRank& rank) {
                EplbConfig config = Config();
                if (job_rank == 5) config.window_size = 11;
                return rank.Create(config);
              }),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            AllOf(HasSubstr("window_size"), HasSubstr("11"),
                                  HasSubstr("rank 5")))));
}

// They would pair sends and receives of different experts of the same size.
TEST(EplbStateFailureTest, NamesTheRankThatKnowsOtherNodes) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) {
        rank.node_of_job_rank = {0, 0, 0, 0, 1, 1, 1, 1};
        if (job_rank == 3) rank.node_of_job_rank[4] = 0;
        return rank.Create(Config());
      }),
      Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("node_of_rank"), HasSubstr("4 x 0, 4 x 1"),
                          HasSubstr("5 x 0, 3 x 1"), HasSubstr("rank 3")))));
}

TEST(EplbStateFailureTest, TellsAllWhyOneRankCannotCreateTheState) {
  EXPECT_THAT(OnEightRanks([](int job_rank, TestRank& rank) {
                if (job_rank != 6) {
                  EXPECT_THAT(rank.policies.Register(
                                  "mine", std::make_unique<ScriptedPolicy>(
                                              1, absl::OkStatus())),
                              IsOk());
                }
                EplbConfig config = Config();
                config.policy = "mine";
                return rank.Create(config);
              }),
              Each(StatusIs(absl::StatusCode::kNotFound, HasSubstr("mine"))));
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) {
        EplbConfig config = Config();
        if (job_rank == 6) config.window_size = 0;
        return rank.Create(config);
      }),
      Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("window_size"), HasSubstr("rank 6")))));
}

TEST(EplbStateFailureTest, RefusesCountersThatARowDoesNotFitInto) {
  EXPECT_THAT(
      OnEightRanks([](int, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.Create(Config()));
        std::vector<int32_t> counts(2 * 16);
        EXPECT_THAT(
            rank.AddModel("main", kShape, {.counts = {counts.data(), 15}}),
            StatusIs(absl::StatusCode::kInvalidArgument,
                     AllOf(HasSubstr("layer_stride is 15"),
                           HasSubstr("16 counters"))));
        // Room for more ranks is room for more counters.
        EXPECT_THAT(
            rank.AddModel("main", kShape,
                          {.counts = {counts.data(), 16}, .max_ranks = 9}),
            StatusIs(absl::StatusCode::kInvalidArgument,
                     HasSubstr("18 counters")));
        EXPECT_THAT(rank.AddModel("main", kShape, {.max_ranks = 1 << 30}),
                    StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasSubstr("max_ranks is 1073741824"),
                                   HasSubstr("0 to 536870912"))));
        rank.engines.clear();
        return rank.AddModel("main", kShape, {.counts = {counts.data(), 16}});
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, NamesTheRankThatAddsAnotherModel) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.Create(Config()));
        return rank.AddModel(job_rank == 2 ? "drafter" : "main", kShape);
      }),
      Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("model"), HasSubstr("on rank 2")))));
}

TEST(EplbStateFailureTest, TellsAllWhyOneRankCannotAddAModel) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.Create(Config()));
        ModelShape shape = kShape;
        if (job_rank == 6) shape.num_redundant_experts = 12;
        const absl::Status status = rank.AddModel("main", shape);
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("12 redundant experts")));
        if (job_rank != 6) {
          EXPECT_THAT(std::string(status.message()), HasSubstr("rank 6"));
        }
        EXPECT_EQ(rank.state->num_models(), 0);
        // All are still together.
        rank.engines.clear();
        return rank.AddModel("main", kShape);
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, NamesRankAndIdsWhenOneIsAStepAhead) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.Create(Config()));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
        CountOnly(*rank.state, 11);
        // The first rearrangement is due at once.
        EXPECT_THAT(rank.state->Step({.forward_id = job_rank == 3 ? 18 : 17}),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             AllOf(HasSubstr("forward id"), HasSubstr("17"),
                                   HasSubstr("18 on rank 3"))));
        EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
        EPLB_RETURN_IF_ERROR(rank.CheckRows());
        // Where they are together again, the next one works.
        for (int64_t id = 20; id < 24; ++id) {
          CountOnly(*rank.state, 11);
          EPLB_RETURN_IF_ERROR(rank.state->Step({.forward_id = id}));
        }
        EXPECT_NE(rank.state->placement(0), *Placement::Initial(kShape));
        return rank.CheckRows();
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, SendsNothingWhenOneRankPlansOtherwise) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.policies.Register(
            "scripted", std::make_unique<ScriptedPolicy>(job_rank == 7 ? 2 : 1,
                                                         absl::OkStatus())));
        EplbConfig config = Config();
        config.policy = "scripted";
        EPLB_RETURN_IF_ERROR(rank.Create(config));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
        CountOnly(*rank.state, 11);
        EXPECT_THAT(rank.state->Step(),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             AllOf(HasSubstr("planned placement"),
                                   HasSubstr("rank 7"))));
        EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
        EXPECT_THAT(rank.events.EventsOf<RearrangementFailed>(), SizeIs(1));
        return rank.CheckRows();
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, SkipsOnAllRanksWhenThePolicyFailsOnOne) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.policies.Register(
            "scripted",
            std::make_unique<ScriptedPolicy>(
                1, job_rank == 4 ? absl::ResourceExhaustedError("no memory")
                                 : absl::OkStatus())));
        EplbConfig config = Config();
        config.policy = "scripted";
        EPLB_RETURN_IF_ERROR(rank.Create(config));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
        CountOnly(*rank.state, 11);
        EPLB_RETURN_IF_ERROR(rank.state->Step());
        const auto skipped = rank.events.EventsOf<RearrangementSkipped>();
        if (skipped.size() != 1) return absl::InternalError("no event");
        EXPECT_THAT(skipped[0].reason, HasSubstr("no memory"));
        if (job_rank != 4) {
          EXPECT_THAT(skipped[0].reason, HasSubstr("rank 4"));
        }
        EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
        EXPECT_EQ(rank.state->rearrangement_step(), 0);
        return rank.CheckRows();
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, NamesARankThatIsAbsentAndGoesOnWhenItIsBack) {
  EXPECT_THAT(
      OnEightRanks([](int job_rank, TestRank& rank) -> absl::Status {
        EplbConfig config = Config();
        // Also the bound of what comes after, on a machine that is busy.
        config.collective_timeout = std::chrono::seconds(6);
        EPLB_RETURN_IF_ERROR(rank.Create(config));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
        if (job_rank == 1) {
          // Its pass never ends before the others have given up.
          EPLB_RETURN_IF_ERROR(rank.control->Barrier(rank.clock.Now() +
                                                     std::chrono::minutes(1)));
          EXPECT_FALSE(rank.state->Step().ok());
        } else {
          CountOnly(*rank.state, 11);
          EXPECT_THAT(rank.state->Step(),
                      StatusIs(absl::StatusCode::kDeadlineExceeded,
                               HasSubstr("rank 1")));
          EPLB_RETURN_IF_ERROR(rank.control->Barrier(rank.clock.Now() +
                                                     std::chrono::minutes(1)));
        }
        EPLB_RETURN_IF_ERROR(rank.CheckRows());
        EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
        EXPECT_EQ(rank.state->rearrangement_step(), 0);
        EXPECT_THAT(rank.events.EventsOf<RearrangementFailed>(), SizeIs(1));
        for (int step = 0; step < 4; ++step) {
          CountOnly(*rank.state, 11);
          const absl::Status status = rank.state->Step();
          if (!status.ok()) return status;
        }
        EXPECT_NE(rank.state->placement(0), *Placement::Initial(kShape));
        return rank.CheckRows();
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, KeepsTwoStatesOfOneProcessApart) {
  EXPECT_THAT(
      OnEightRanks([](int, TestRank& rank) -> absl::Status {
        EPLB_RETURN_IF_ERROR(rank.Create(Config()));
        EplbDependencies dependencies;
        dependencies.name = "second";
        dependencies.control = rank.control.get();
        dependencies.policies = &rank.policies;
        dependencies.device = &rank.device;
        dependencies.clock = &rank.clock;
        EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<EplbState> second,
                              EplbState::Create(Config(), dependencies));
        TestEngine engine(kShape, 2);
        engine.Load(*Placement::Initial(kShape), second->rank());
        EPLB_RETURN_IF_ERROR(
            second->AddModel("main", kShape, engine.Weights()));
        EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
        CountOnly(*second, 11);
        EPLB_RETURN_IF_ERROR(second->Step());
        EXPECT_NE(second->placement(0), *Placement::Initial(kShape));
        EXPECT_EQ(rank.state->placement(0), *Placement::Initial(kShape));
        EXPECT_EQ(engine.FindWrongRow(second->placement(0), second->rank()),
                  "");
        return rank.CheckRows();
      }),
      Each(IsOk()));
}

TEST(EplbStateFailureTest, RefusesWhatIsMissing) {
  EXPECT_THAT(EplbState::Create(Config(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("control is null")));
  EXPECT_THAT(OnEightRanks([](int, TestRank& rank) {
                EplbConfig config = Config();
                config.step_interval = 0;
                return rank.Create(config);
              }),
              Each(StatusIs(absl::StatusCode::kInvalidArgument,
                            HasSubstr("step_interval"))));
}

}  // namespace
}  // namespace eplb
