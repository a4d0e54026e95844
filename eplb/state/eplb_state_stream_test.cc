// An engine whose kernels run long after it handed them over: what the state
// switches comes after the pass that is on its way, and before the next. The
// device is one of the slowest kind, which works only when somebody waits.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_engine.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "testing/lazy_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::DoubleEq;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr ModelShape kShape{.num_layers = 2,
                            .num_logical_experts = 6,
                            .num_redundant_experts = 0,
                            .num_expert_groups = 1};
constexpr int kNumRanks = 2;

// What a pass meets in the memory of the device that is not of `placement`.
std::string FindDifference(const EplbState& state, const TestEngine& engine,
                           const Placement& placement) {
  std::string wrong = engine.FindWrongRow(placement, state.rank());
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    const RouteTableView routes = state.layer_view(0, layer).routes;
    for (int expert = 0; expert < kShape.num_logical_experts; ++expert) {
      const int32_t slot = routes.slots[routes.row_begin[expert]];
      if (slot == placement.slots_of_expert(layer, expert)[0]) continue;
      absl::StrAppend(&wrong, "; layer ", layer, ", expert ", expert,
                      " is routed to slot ", slot);
    }
  }
  return wrong;
}

// Hands a pass to the stream of the engine before `rearrange`, and one after
// it. Each must see what was installed when it was handed over.
void ExpectPassesSeeTheirPlacement(
    const std::function<absl::Status(EplbState&, Stream&)>& rearrange) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          kNumRanks, clock,
          [&](int, CommunicatorFactory& factory) -> absl::Status {
            LazyDevice device;
            EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Stream> stream,
                                  device.CreateStream());
            TestRank rank(factory, clock, {0, 1});
            rank.state_device = &device;
            EplbConfig config;
            config.policy = "greedy";
            config.step_interval = 1;
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            std::vector<int32_t> counts(kShape.num_layers *
                                        kShape.num_physical_experts());
            // All tokens are those of two experts of rank 0.
            for (int layer = 0; layer < kShape.num_layers; ++layer) {
              counts[layer * kShape.num_physical_experts() + 0] = 50;
              counts[layer * kShape.num_physical_experts() + 1] = 50;
            }
            EPLB_RETURN_IF_ERROR(rank.AddModel(
                "main", kShape,
                {.counts = {
                     counts.data(),
                     static_cast<size_t>(kShape.num_physical_experts())}}));
            const TestEngine& engine = *rank.engines[0];
            const Placement before = rank.state->placement(0);
            std::string old_pass = "has not run";
            std::string new_pass = "has not run";
            LazyDevice::Add(*stream, [&] {
              old_pass = FindDifference(*rank.state, engine, before);
            });
            EPLB_RETURN_IF_ERROR(rearrange(*rank.state, *stream));
            const Placement after = rank.state->placement(0);
            EXPECT_NE(after, before);
            LazyDevice::Add(*stream, [&] {
              new_pass = FindDifference(*rank.state, engine, after);
            });
            EPLB_RETURN_IF_ERROR(stream->Synchronize(SteadyTime::max()));
            EXPECT_EQ(old_pass, "");
            EXPECT_EQ(new_pass, "");
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateStreamTest, RearrangesBetweenThePassesOfTheStreamOfAStep) {
  ExpectPassesSeeTheirPlacement([](EplbState& state, Stream& stream) {
    return state.Step({.stream = &stream});
  });
}

TEST(EplbStateStreamTest, RearrangesBetweenThePassesWhenItIsTold) {
  ExpectPassesSeeTheirPlacement([](EplbState& state, Stream& stream) {
    const ExpertLoads loads =
        *ExpertLoads::Create(2, 6, {9, 9, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0});
    return state.Rearrange({.global_loads = {loads}, .stream = &stream})
        .status();
  });
}

TEST(EplbStateStreamTest, StepsAndReportsWithoutWaitingForThePass) {
  constexpr int kNumSteps = 20;
  // On rank 0.
  const auto is_dummy_on_first = [](int64_t step) { return step % 5 == 2; };
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          kNumRanks, clock,
          [&](int, CommunicatorFactory& factory) -> absl::Status {
            LazyDevice device;
            EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Stream> stream,
                                  device.CreateStream());
            TestRank rank(factory, clock, {0, 1});
            rank.state_device = &device;
            EplbConfig config;
            config.policy = "greedy";
            config.log_balancedness = true;
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
            int32_t* const counts = rank.state->layer_view(0, 1).pass_counts;
            const int64_t waits = device.num_waits();
            for (int step = 0; step < kNumSteps; ++step) {
              LazyDevice::Add(*stream, [=] { counts[4] += 1 + step; });
              EPLB_RETURN_IF_ERROR(
                  rank.state->Step({.is_dummy = rank.state->rank() == 0 &&
                                                is_dummy_on_first(step),
                                    .stream = stream.get()}));
              // The device is done with a pass while the next one is prepared.
              LazyDevice::Run(*stream);
            }
            EXPECT_EQ(device.num_waits(), waits);
            EPLB_ASSIGN_OR_RETURN(
                const std::vector<ExpertLoads> loads,
                rank.state->Rearrange(
                    {.execute_shuffle = false, .stream = stream.get()}));
            int64_t tokens = 0;
            for (int step = 0; step < kNumSteps; ++step) {
              tokens += (1 + step) * (is_dummy_on_first(step) ? 1 : 2);
            }
            EXPECT_EQ(loads[0].at(1, 4), tokens);
            if (rank.state->rank() != 0) return absl::OkStatus();
            // Each step reports the pass before it.
            const auto reports = rank.events.EventsOf<StepStatistics>();
            EXPECT_EQ(reports.size(), static_cast<size_t>(kNumSteps));
            for (const StepStatistics& report : reports) {
              EXPECT_EQ(
                  report.max_tokens,
                  report.step * (is_dummy_on_first(report.step - 1) ? 1 : 2));
            }
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(EplbStateStreamTest, TellsTheTimeOfTheDeviceWithoutWaitingForIt) {
  constexpr int kWorkOfPass = 5;
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          kNumRanks, clock,
          [&](int, CommunicatorFactory& factory) -> absl::Status {
            LazyDevice device;
            EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Stream> stream,
                                  device.CreateStream());
            TestRank rank(factory, clock, {0, 1});
            rank.state_device = &device;
            EplbConfig config;
            config.policy = "greedy";
            EPLB_RETURN_IF_ERROR(rank.Create(config));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", kShape));
            const std::unique_ptr<DeviceEvent> begin = *stream->RecordTimed();
            // The pass on its way is not of the rearrangement.
            for (int i = 0; i < kWorkOfPass; ++i) {
              LazyDevice::Add(*stream, [] {});
            }
            const ExpertLoads loads = *ExpertLoads::Create(
                2, 6, {9, 9, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0});
            EPLB_RETURN_IF_ERROR(rank.state
                                     ->Rearrange({.global_loads = {loads},
                                                  .stream = stream.get()})
                                     .status());
            const std::unique_ptr<DeviceEvent> end = *stream->RecordTimed();
            const int64_t waits = device.num_waits();
            EPLB_RETURN_IF_ERROR(rank.state->Step({.stream = stream.get()}));
            // Nobody has asked the device to come to the end of it.
            EXPECT_THAT(rank.events.EventsOf<RearrangementFinished>(),
                        SizeIs(1));
            EXPECT_THAT(rank.events.EventsOf<RearrangementTimed>(), IsEmpty());
            LazyDevice::Run(*stream);
            EPLB_RETURN_IF_ERROR(rank.state->Step({.stream = stream.get()}));
            EPLB_RETURN_IF_ERROR(rank.state->Drain());
            EXPECT_EQ(device.num_waits(), waits);
            EPLB_ASSIGN_OR_RETURN(const std::chrono::nanoseconds all,
                                  end->Since(*begin));
            const std::chrono::duration<double> rearranging =
                all - kWorkOfPass * LazyDevice::kTimeOfWork;
            EXPECT_GT(rearranging.count(), 0);
            EXPECT_THAT(
                rank.events.EventsOf<RearrangementTimed>(),
                ElementsAre(AllOf(Field(&RearrangementTimed::model, "main"),
                                  Field(&RearrangementTimed::step, -1),
                                  Field(&RearrangementTimed::device_seconds,
                                        DoubleEq(rearranging.count())))));
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
