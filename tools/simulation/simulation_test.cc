#include "tools/simulation/simulation.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/load/recorded_loads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/placement_score.h"
#include "policies/policy_registry.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Remembers what it was asked, and shuffles the experts by the loads' sum.
class RecordingPolicy : public PlacementPolicy {
 public:
  struct Call {
    std::vector<int64_t> loads;
    std::vector<int32_t> current;
    std::vector<int32_t> answer;
  };
  const std::vector<Call>& calls() const { return *calls_; }

 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest& request,
      std::vector<std::string>& warnings) const override {
    const auto loads = request.loads->values();
    DeterministicRandom random(
        std::accumulate(loads.begin(), loads.end(), uint64_t{0}));
    const int experts = request.shape.num_logical_experts;
    std::vector<int32_t> table;
    for (int layer = 0; layer < request.shape.num_layers; ++layer) {
      std::vector<int32_t> slots(request.shape.num_physical_experts());
      for (size_t i = 0; i < slots.size(); ++i) {
        slots[i] = static_cast<int32_t>(i % experts);
      }
      for (size_t i = slots.size() - 1; i > 0; --i) {
        std::swap(slots[i], slots[random.NextBelow(i + 1)]);
      }
      table.insert(table.end(), slots.begin(), slots.end());
    }
    warnings.push_back("shuffled");
    const auto current = request.current->physical_to_logical_map();
    calls_->push_back({{loads.begin(), loads.end()},
                       {current.begin(), current.end()},
                       table});
    return table;
  }

  std::unique_ptr<std::vector<Call>> calls_ =
      std::make_unique<std::vector<Call>>();
};

RecordedLoads RandomTrace(const RecordedShape& shape, uint64_t seed) {
  DeterministicRandom random(seed);
  std::vector<int64_t> loads(shape.num_entries());
  for (int64_t& load : loads) load = random.NextBelow(100);
  return *RecordedLoads::Create(shape, std::move(loads));
}

// The mean over the layers with load, scored as plans are.
double SlowBalancedness(const RecordedLoads& trace, int64_t step,
                        const Placement& placement, int num_ranks) {
  const auto values = trace.step(step);
  const ExpertLoads loads =
      *ExpertLoads::Create(trace.num_layers(), trace.num_logical_experts(),
                           {values.begin(), values.end()});
  double sum = 0;
  int layers = 0;
  const std::vector<LayerScore> scores =
      ScorePlacement(loads, *Topology::Uniform(num_ranks), placement, nullptr);
  for (int layer = 0; layer < trace.num_layers(); ++layer) {
    if (loads.layer_total(layer) == 0) continue;
    sum += scores[layer].balancedness;
    ++layers;
  }
  return layers == 0 ? 0 : sum / layers;
}

constexpr RecordedShape kShape = {
    .num_steps = 50, .num_layers = 3, .num_logical_experts = 6};

SimulationOptions Options(const PlacementPolicy& policy) {
  return {.policy = &policy,
          .num_ranks = 4,
          .num_redundant_experts = 2,
          .interval = 12,
          .window = 10};
}

TEST(SimulationTest, RearrangesAfterAQuarterOfTheIntervalThenEveryInterval) {
  const RecordingPolicy policy;
  EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                            Simulate(RandomTrace(kShape, 1), Options(policy)));
  std::vector<int64_t> steps;
  for (const SimulatedRearrangement& r : simulation.rearrangements) {
    steps.push_back(r.step);
    EXPECT_GE(r.plan_seconds, 0);
  }
  EXPECT_THAT(steps, ElementsAre(3, 15, 27, 39));
  EXPECT_THAT(simulation.balancedness, SizeIs(47));
}

TEST(SimulationTest, AnIntervalOfOneRearrangesBeforeEveryStepButTheFirst) {
  const RecordingPolicy policy;
  SimulationOptions options = Options(policy);
  options.interval = 1;
  EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                            Simulate(RandomTrace(kShape, 1), options));
  EXPECT_THAT(simulation.rearrangements, SizeIs(49));
  EXPECT_EQ(simulation.rearrangements[0].step, 1);
}

TEST(SimulationTest, PlansFromTheWindowAndThePlacementInForce) {
  for (const int64_t window : {1, 10, 12, 30, 100}) {
    SCOPED_TRACE(window);
    const RecordingPolicy policy;
    const RecordedLoads trace = RandomTrace(kShape, 2);
    SimulationOptions options = Options(policy);
    options.window = window;
    EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                              Simulate(trace, options));
    ASSERT_THAT(policy.calls(), SizeIs(4));
    for (size_t i = 0; i < policy.calls().size(); ++i) {
      const int64_t end = simulation.rearrangements[i].step;
      std::vector<int64_t> sum(trace.step(0).size());
      for (int64_t s = std::max<int64_t>(end - window, 0); s < end; ++s) {
        for (size_t j = 0; j < sum.size(); ++j) sum[j] += trace.step(s)[j];
      }
      EXPECT_EQ(policy.calls()[i].loads, sum);
    }
    const std::vector<int32_t>& first = policy.calls()[0].current;
    EXPECT_THAT(std::vector<int32_t>(first.begin(), first.begin() + 8),
                ElementsAre(0, 1, 2, 3, 4, 5, 0, 1));
  }
}

TEST(SimulationTest, ScoresEachPlacementOnTheStepsAfterItWasMade) {
  const RecordingPolicy policy;
  const RecordedLoads trace = RandomTrace(kShape, 3);
  EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                            Simulate(trace, Options(policy)));
  const Placement initial = *Placement::Initial(
      {.num_layers = 3, .num_logical_experts = 6, .num_redundant_experts = 2});
  std::vector<double> rank_loads(12);
  int64_t moved = 0;
  for (int64_t step = 3; step < 50; ++step) {
    const size_t call = (step - 3) / 12;
    // A call sees the placement that the one before made.
    const std::vector<int32_t> table =
        call + 1 < policy.calls().size()
            ? policy.calls()[call + 1].current
            : std::vector<int32_t>(
                  simulation.placement->physical_to_logical_map().begin(),
                  simulation.placement->physical_to_logical_map().end());
    const Placement placement = *Placement::Create(3, 6, 8, table);
    EXPECT_NEAR(simulation.balancedness[step - 3],
                SlowBalancedness(trace, step, placement, 4), 1e-12)
        << step;
    EXPECT_NEAR(simulation.balancedness_without[step - 3],
                SlowBalancedness(trace, step, initial, 4), 1e-12)
        << step;
    for (int i = 0; i < 24; ++i) {
      const int expert = table[i];
      rank_loads[i / 2] +=
          static_cast<double>(trace.step(step)[i / 8 * 6 + expert]) /
          placement.num_replicas(i / 8, expert);
    }
  }
  for (size_t i = 0; i < rank_loads.size(); ++i) {
    EXPECT_NEAR(simulation.rank_loads[i], rank_loads[i], 1e-9) << i;
  }
  for (const SimulatedRearrangement& r : simulation.rearrangements) {
    EXPECT_GT(r.moved_slots, 0);
    moved += r.moved_slots;
  }
  EXPECT_EQ(simulation.moved_slots(), moved);
  EXPECT_EQ(simulation.mean_moved_slots(), moved / 4.0);
}

TEST(SimulationTest, SummarisesTheStepsThatHadTokens) {
  Simulation simulation;
  simulation.balancedness = {0.5, 0, 0.7};
  simulation.balancedness_without = {0, 0.25, 0};
  EXPECT_DOUBLE_EQ(simulation.mean_balancedness(), 0.6);
  EXPECT_EQ(simulation.worst_balancedness(), 0.5);
  EXPECT_EQ(simulation.mean_balancedness_without(), 0.25);
  simulation.balancedness = {0, 0};
  EXPECT_EQ(simulation.mean_balancedness(), 1);
  EXPECT_EQ(simulation.worst_balancedness(), 1);
}

TEST(SimulationTest, BalancingSteadySkewPays) {
  PolicyRegistry registry;
  EPLB_ASSERT_OK(RegisterBuiltinPolicies(registry));
  // Expert 0 is as hot as all others together.
  std::vector<int64_t> loads;
  for (int i = 0; i < 40; ++i) {
    const std::vector<int64_t> step = {70, 10, 10, 10, 10, 10, 10, 10};
    loads.insert(loads.end(), step.begin(), step.end());
  }
  const RecordedLoads trace = *RecordedLoads::Create(
      {.num_steps = 40, .num_layers = 1, .num_logical_experts = 8}, loads);
  for (const std::string& name : registry.Names()) {
    SCOPED_TRACE(name);
    EPLB_ASSERT_OK_AND_ASSIGN(const PlacementPolicy* policy,
                              registry.Find(name));
    SimulationOptions options = Options(*policy);
    options.num_redundant_experts = 8;
    EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                              Simulate(trace, options));
    EXPECT_GT(simulation.mean_balancedness(), 0.9);
    EXPECT_LT(simulation.mean_balancedness_without(), 0.7);
  }
}

TEST(SimulationTest, GivesWarningsOnce) {
  const RecordingPolicy policy;
  EPLB_ASSERT_OK_AND_ASSIGN(const Simulation simulation,
                            Simulate(RandomTrace(kShape, 1), Options(policy)));
  EXPECT_THAT(simulation.warnings, ElementsAre("shuffled"));
}

TEST(SimulationTest, TellsHowManyStepsItHasReplayed) {
  const RecordingPolicy policy;
  int64_t steps = 0;
  EPLB_ASSERT_OK(Simulate(RandomTrace(kShape, 1), Options(policy),
                          [&](int64_t more) { steps += more; }));
  EXPECT_EQ(steps, 50);
}

TEST(SimulationTest, RefusesWhatCannotBeSimulated) {
  const RecordingPolicy policy;
  const RecordedLoads trace = RandomTrace(kShape, 1);
  const SimulationOptions good = Options(policy);
  SimulationOptions options = good;
  options.interval = 200;
  EXPECT_THAT(Simulate(trace, options),
              StatusIs(kInvalid,
                       HasSubstr("the trace has 50 steps, and with an interval "
                                 "of 200 the first placement is made after "
                                 "50")));
  options = good;
  options.window = 0;
  EXPECT_THAT(Simulate(trace, options),
              StatusIs(kInvalid, HasSubstr("window 0")));
  options = good;
  options.num_ranks = 3;
  EXPECT_THAT(Simulate(trace, options), StatusIs(kInvalid, HasSubstr("3")));
  options = good;
  options.num_nodes = 3;
  EXPECT_THAT(Simulate(trace, options), StatusIs(kInvalid));
  options = good;
  options.num_groups = 4;
  EXPECT_THAT(Simulate(trace, options), StatusIs(kInvalid));
}

TEST(SimulationTest, RefusesLoadsThatDoNotAddUp) {
  const RecordingPolicy policy;
  const RecordedLoads trace = *RecordedLoads::Create(
      {.num_steps = 3, .num_layers = 1, .num_logical_experts = 8},
      std::vector<int64_t>(24, ExpertLoads::kMaxLoad / 2));
  SimulationOptions options = Options(policy);
  options.num_redundant_experts = 0;
  options.interval = 1;
  EXPECT_THAT(Simulate(trace, options),
              StatusIs(kInvalid, HasSubstr("layer 0, expert 0")));
}

}  // namespace
}  // namespace eplb
