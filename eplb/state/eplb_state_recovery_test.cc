// The control channel of one rank fails at any of its operations during a
// rearrangement: no rank hangs or serves a wrong weight, a rank in doubt stands
// still, and Recover settles all ranks alike. Where a layer is old, its tables,
// counters and recorded loads are what they were. The sweep prints what it met.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_engine.h"
#include "eplb/state/state_test_faults.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_snapshot.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/faulty_communicator.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr int kNumRanks = 3;
constexpr ModelShape kShape{.num_layers = 3,
                            .num_logical_experts = 7,
                            .num_redundant_experts = 2,
                            .num_expert_groups = 1};
// The first rearrangement is due at the second step.
constexpr int kStepInterval = 8;

EplbConfig Config() {
  EplbConfig config;
  config.window_size = 10;
  config.step_interval = kStepInterval;
  config.num_redundant_experts = 2;
  config.policy = "greedy";
  // Nothing waits so long: ranks that fail leave, and the others see it.
  config.collective_timeout = std::chrono::seconds(20);
  return config;
}

// One expert of each layer is hot.
ExpertLoads LoadsWithHotExpert(int first) {
  std::vector<int64_t> loads(3 * 7, 1);
  for (int layer = 0; layer < 3; ++layer) {
    loads[layer * 7 + (first + 2 * layer) % 7] = 90;
  }
  return *ExpertLoads::Create(3, 7, std::move(loads));
}

struct Injection {
  int rank = -1;  // -1: none.
  Fault fault;
  // Whether no epoch can form after the failure, until there is a recovery.
  bool takes_network_down = false;

  std::string ToString() const {
    return absl::StrCat(
        "fault on rank ", rank, ", operation ", fault.operation,
        fault.kind == Fault::Kind::kFailBefore ? ", fails before" : "",
        fault.kind == Fault::Kind::kFailAfter ? ", fails after" : "",
        fault.tells_others ? "" : ", tells nobody",
        takes_network_down ? ", network down" : "");
  }
};

// One state per rank, through a failure and the recovery from it.
class RecoveryRun {
 public:
  explicit RecoveryRun(const Injection& injection, bool use_async = false)
      : injection_(injection), use_async_(use_async) {
    network_is_down_ = injection.takes_network_down;
    for (int r = 0; r < kNumRanks; ++r) {
      plain_[r] = group_->FactoryOfRank(r);
      factory_[r] = std::make_unique<FaultyControlFactory>(
          *plain_[r], clock_,
          r == injection.rank ? std::vector<Fault>{injection.fault}
                              : std::vector<Fault>{},
          network_is_down_);
      rank_[r] = std::make_unique<TestRank>(*factory_[r], clock_,
                                            std::vector<int>{0, 1, 2});
      background_[r] = background_group_->FactoryOfRank(r);
      rank_[r]->background_factory = background_[r].get();
    }
  }

  // The operations of each rank that belong to the rearrangement.
  struct Operations {
    int64_t begin = 0;
    int64_t end = 0;
  };

  // Nothing fails.
  std::vector<Operations> CountOperations() {
    std::vector<Operations> operations(kNumRanks);
    OnAllRanks([&](int r) {
      Start(r);
      operations[r].begin = factory_[r]->num_control_operations();
      EPLB_EXPECT_OK(Rearrange(r, 6));
      operations[r].end = factory_[r]->num_control_operations();
    });
    return operations;
  }

  // Ranks whose doubt lasted, and how it was settled.
  struct Outcome {
    int in_doubt = 0;
    int switched = 0;
    int dropped = 0;
  };

  // `settle` is what all ranks do when they can connect again.
  Outcome FailAndSettle(const std::function<absl::Status(EplbState&)>& settle) {
    bool in_doubt[kNumRanks];
    std::vector<int32_t> map_in_doubt[kNumRanks];
    OnAllRanks([&](int r) {
      Start(r);
      in_doubt[r] = Fail(r);
      map_in_doubt[r] = Map(r);
    });
    network_is_down_ = false;
    OnAllRanks([&](int r) {
      EPLB_EXPECT_OK(settle(state(r)));
      EPLB_EXPECT_OK(rank_[r]->CheckRows());
      // The step that had not ended.
      if (use_async_ && in_doubt[r]) {
        EPLB_EXPECT_OK(state(r).Step());
      }
    });
    ExpectAlike();
    ExpectLoadsOfOldLayers();
    Outcome outcome;
    for (int r = 0; r < kNumRanks; ++r) {
      if (!in_doubt[r]) continue;
      ++outcome.in_doubt;
      (Map(r) == map_in_doubt[r] ? outcome.dropped : outcome.switched) += 1;
    }
    return outcome;
  }

  void ServeAndRearrange() {
    OnAllRanks([&](int r) {
      DeterministicRandom random(r);
      int num_failures = 0;
      for (int step = 0; step < kStepInterval; ++step) {
        EPLB_ASSERT_OK(rank_[r]->Forward(/*num_tokens=*/16, step, random));
        const absl::Status stepped = state(r).Step();
        EXPECT_FALSE(absl::IsUnavailable(stepped)) << stepped;
        num_failures += !stepped.ok();
      }
      // A worker may have met what the failure left, and told so.
      EXPECT_LE(num_failures, use_async_ ? 1 : 0);
      absl::Status rearranged = Rearrange(r, 1);
      // Not every rank's worker may have tried as often; a new epoch follows.
      if (use_async_ && absl::IsFailedPrecondition(rearranged)) {
        rearranged = Rearrange(r, 1);
      }
      EPLB_ASSERT_OK(rearranged);
      EPLB_EXPECT_OK(rank_[r]->CheckRows());
    });
    ExpectAlike();
    // The hot expert of layer 0 has got all that is redundant.
    EXPECT_EQ(state(0).placement(0).slots_of_expert(0, 1).size(), 3u);
  }

 private:
  void OnAllRanks(const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    for (int r = 0; r < kNumRanks; ++r) {
      threads.emplace_back([&, r] {
        SCOPED_TRACE(absl::StrCat("on rank ", r, "; ", injection_.ToString()));
        body(r);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  EplbState& state(int r) { return *rank_[r]->state; }

  std::vector<int32_t> Map(int r) {
    const auto map = state(r).placement(0).physical_to_logical_map();
    return {map.begin(), map.end()};
  }

  void Start(int r) {
    EplbConfig config = Config();
    config.use_async = use_async_;
    EPLB_EXPECT_OK(rank_[r]->Create(config));
    EPLB_EXPECT_OK(rank_[r]->AddModel("main", kShape));
    EPLB_EXPECT_OK(state(r).StartBackground());
    DeterministicRandom random(100, static_cast<uint64_t>(r));
    // One pass is in the window, and one in the counters.
    for (int pass = 0; pass < 2; ++pass) {
      if (pass == 1) {
        EPLB_EXPECT_OK(state(r).Step());
      }
      const RoutedTokens routed = rank_[r]->engines[0]->Forward(
          state(r), /*model=*/0, rank_[r]->device, *rank_[r]->stream,
          /*num_tokens=*/20, /*phase=*/0, random);
      for (const RoutedTokens::Token& token : routed.tokens) {
        ++tokens_[r][token.layer * 7 + token.expert];
      }
    }
    before_[r] = TakeSnapshot(state(r), 0);
  }

  absl::Status Rearrange(int r, int hot_expert) {
    return state(r)
        .Rearrange({.global_loads = {LoadsWithHotExpert(hot_expert)}})
        .status();
  }

  // Rearranges, which fails on some rank, and then goes on as an engine does,
  // also while this rank is in doubt. Returns whether it is.
  bool Fail(int r) {
    const absl::Status rearranged = Rearrange(r, 6);
    EXPECT_FALSE(absl::IsDeadlineExceeded(rearranged)) << rearranged;
    // With the network up the first barrier may connect anew and go on.
    if (r == injection_.rank && injection_.takes_network_down) {
      EXPECT_FALSE(rearranged.ok());
    }
    EPLB_EXPECT_OK(rank_[r]->CheckRows());
    failed_[r] = TakeSnapshot(state(r), 0);
    ExpectOldLayersUntouched(before_[r], failed_[r]);
    const std::vector<int32_t> map = Map(r);
    // This step rearranges, where ranks are connected; the next one does not.
    const absl::Status stepped = state(r).Step();
    EXPECT_FALSE(absl::IsDeadlineExceeded(stepped)) << stepped;
    const bool is_in_doubt =
        absl::StrContains(stepped.message(), "does not know whether");
    if (!injection_.takes_network_down) {
      EXPECT_FALSE(is_in_doubt) << stepped;
      return false;
    }
    // In the background mode the first has not ended where the rank is in
    // doubt, and the others come no further.
    const absl::Status again =
        use_async_ && !is_in_doubt ? absl::OkStatus() : state(r).Step();
    const absl::Status recovered = state(r).Recover();
    EXPECT_THAT(recovered, StatusIs(absl::StatusCode::kUnavailable));
    EPLB_EXPECT_OK(rank_[r]->CheckRows());
    EXPECT_EQ(Map(r), map);
    if (!is_in_doubt) {
      EPLB_EXPECT_OK(again);
      return false;
    }
    for (const absl::Status& status : {stepped, again}) {
      EXPECT_THAT(
          status,
          StatusIs(absl::StatusCode::kUnavailable,
                   AllOf(HasSubstr("epoch "), HasSubstr("layer"),
                         HasSubstr(absl::StrCat("rank ", injection_.rank)))));
    }
    return true;
  }

  void ExpectAlike() {
    for (int r = 1; r < kNumRanks; ++r) {
      EXPECT_EQ(Map(r), Map(0)) << "rank " << r;
      EXPECT_EQ(state(r).forward_id(), state(0).forward_id());
      EXPECT_EQ(state(r).rearrangement_step(), state(0).rearrangement_step());
    }
  }

  // Of layers that no rank had switched when the counters became loads.
  void ExpectLoadsOfOldLayers() {
    std::vector<int64_t> tokens(3 * 7);
    for (int r = 0; r < kNumRanks; ++r) {
      for (size_t i = 0; i < tokens.size(); ++i) tokens[i] += tokens_[r][i];
    }
    OnAllRanks([&](int r) {
      const auto loads = state(r).Rearrange({.execute_shuffle = false});
      EPLB_ASSERT_OK(loads.status());
      for (int layer = 0; layer < kShape.num_layers; ++layer) {
        bool is_old = true;
        for (int other = 0; other < kNumRanks; ++other) {
          is_old = is_old && failed_[other][layer].experts_of_slots ==
                                 before_[other][layer].experts_of_slots;
        }
        if (!is_old) continue;
        const auto recorded = (*loads)[0].values().subspan(layer * 7, 7);
        EXPECT_THAT(recorded, ElementsAreArray(&tokens[layer * 7], 7))
            << "layer " << layer;
      }
    });
  }

  const Injection injection_;
  const bool use_async_;
  SystemClock clock_;
  std::atomic<bool> network_is_down_ = false;
  std::unique_ptr<InProcessGroup> group_ =
      *InProcessGroup::Create(kNumRanks, clock_);
  std::unique_ptr<InProcessGroup> background_group_ =
      *InProcessGroup::Create(kNumRanks, clock_);
  std::unique_ptr<CommunicatorFactory> plain_[kNumRanks];
  std::unique_ptr<CommunicatorFactory> background_[kNumRanks];
  std::unique_ptr<FaultyControlFactory> factory_[kNumRanks];
  std::unique_ptr<TestRank> rank_[kNumRanks];
  // Tokens of each expert in the passes before the failure, and what each rank
  // had before and after it.
  std::array<int64_t, 3 * 7> tokens_[kNumRanks] = {};
  std::vector<LayerSnapshot> before_[kNumRanks];
  std::vector<LayerSnapshot> failed_[kNumRanks];
};

std::vector<Injection> AllInjections(bool use_async = false) {
  const auto operations = RecoveryRun({}, use_async).CountOperations();
  std::vector<Injection> injections;
  for (int rank = 0; rank < kNumRanks; ++rank) {
    EXPECT_LT(operations[rank].begin, operations[rank].end);
    for (int64_t operation = operations[rank].begin;
         operation < operations[rank].end; ++operation) {
      // Three choices in the bits of a number.
      for (int choice = 0; choice < 8; ++choice) {
        injections.push_back(
            {.rank = rank,
             .fault = {.operation = operation,
                       .kind = (choice & 1) != 0 ? Fault::Kind::kFailAfter
                                                 : Fault::Kind::kFailBefore,
                       .status = absl::UnavailableError(
                           absl::StrCat("rank ", rank, ": scripted fault")),
                       .tells_others = (choice & 2) != 0},
             .takes_network_down = (choice & 4) != 0});
      }
    }
  }
  return injections;
}

TEST(EplbStateRecoveryTest, SettlesAllRanksAlikeWhereverTheControlFails) {
  const std::vector<Injection> injections = AllInjections();
  RecoveryRun::Outcome sum;
  for (const Injection& injection : injections) {
    RecoveryRun run(injection);
    const RecoveryRun::Outcome outcome =
        run.FailAndSettle([](EplbState& state) { return state.Recover(); });
    if (!HasFailure()) run.ServeAndRearrange();
    if (HasFailure()) return;
    sum.in_doubt += outcome.in_doubt;
    sum.switched += outcome.switched;
    sum.dropped += outcome.dropped;
  }
  std::cout << injections.size() << " injection points: " << sum.in_doubt
            << " ranks stayed in doubt, of which Recover made " << sum.switched
            << " switch and " << sum.dropped << " drop layers\n";
  EXPECT_GT(sum.in_doubt, 0);
  EXPECT_GT(sum.switched, 0);
  EXPECT_GT(sum.dropped, 0);
}

TEST(EplbStateRecoveryTest, SettlesBesideTheBackground) {
  int num_in_doubt = 0;
  for (const Injection& injection : AllInjections(/*use_async=*/true)) {
    if (injection.rank != 1 || !injection.takes_network_down) continue;
    RecoveryRun run(injection, /*use_async=*/true);
    num_in_doubt +=
        run.FailAndSettle([](EplbState& state) { return state.Recover(); })
            .in_doubt;
    if (!HasFailure()) run.ServeAndRearrange();
    if (HasFailure()) return;
  }
  EXPECT_GT(num_in_doubt, 0);
}

TEST(EplbStateRecoveryTest, SettlesInTheNextCollectiveCallWithoutRecover) {
  int num_in_doubt = 0;
  for (const Injection& injection : AllInjections()) {
    if (injection.rank != 1 || !injection.takes_network_down) continue;
    RecoveryRun run(injection);
    num_in_doubt += run.FailAndSettle([](EplbState& state) {
                         return state.Rearrange().status();
                       })
                        .in_doubt;
    if (!HasFailure()) run.ServeAndRearrange();
    if (HasFailure()) return;
  }
  EXPECT_GT(num_in_doubt, 0);
}

}  // namespace
}  // namespace eplb
