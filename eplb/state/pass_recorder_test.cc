#include "eplb/state/pass_recorder.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/load/load_recorder.h"
#include "eplb/load/load_window.h"
#include "eplb/state/pass_counters.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"
#include "testing/lazy_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr SteadyTime kNever = SteadyTime::max();
constexpr int kNumExperts = 3;
constexpr int kNumSlots = 4;

// A recorder of one layer and its window, with counters of `device`.
struct OneLayer {
  explicit OneLayer(Device& device)
      : stream(*device.CreateStream()),
        window(*LoadWindow::Create({1, kNumExperts, /*window_size=*/1000})),
        passes(*PassRecorder::Create(
            device,
            *PassCounters::Create(device, 1, kNumSlots, *stream, kNever),
            *LoadRecorder::Create(1, kNumExperts, CountedExperts::kSlots))) {
    passes.SetLayer(0, {0, 1, 2, 0});
  }

  std::vector<int64_t> Sums() {
    std::vector<int64_t> sums(kNumExperts);
    window.CopySums(absl::MakeSpan(sums));
    return sums;
  }

  std::unique_ptr<Stream> stream;
  LoadWindow window;
  PassRecorder passes;
};

std::vector<int32_t> Values(const PassCounts& counts) {
  return {counts.data, counts.data + kNumSlots};
}

// A kernel that counts `tokens` tokens of `slot`.
void Count(OneLayer& layer, int slot, int tokens) {
  int32_t* const counter = layer.passes.counters().layer(0) + slot;
  LazyDevice::Add(*layer.stream, [=] { *counter += tokens; });
}

TEST(PassRecorderTest, RecordsWithoutWaitingForTheDevice) {
  LazyDevice device;
  OneLayer layer(device);
  const int64_t waits = device.num_waits();
  Count(layer, 1, 5);
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  Count(layer, 2, 7);
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  EXPECT_THAT(layer.Sums(), Each(0));
  EXPECT_EQ(device.num_waits(), waits);
  EPLB_ASSERT_OK(layer.passes.Finish(kNever, layer.window));
  EXPECT_THAT(layer.Sums(), ElementsAre(0, 5, 7));
}

TEST(PassRecorderTest, EntersWhatHasComeWithoutBeingWaitedFor) {
  LazyDevice device;
  OneLayer layer(device);
  const int64_t waits = device.num_waits();
  for (int pass = 0; pass < 100; ++pass) {
    Count(layer, 1, 1);
    EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
    EXPECT_THAT(layer.Sums(), ElementsAre(0, pass, 0));
    LazyDevice::Run(*layer.stream);
  }
  EXPECT_EQ(device.num_waits(), waits);
}

TEST(PassRecorderTest, WaitsForTheOldestPassWhenTooManyAreOnTheirWay) {
  LazyDevice device;
  OneLayer layer(device);
  for (int pass = 1; pass <= 3; ++pass) {
    Count(layer, 1, pass);
    EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  }
  EXPECT_THAT(layer.Sums(), ElementsAre(0, 1, 0));
}

TEST(PassRecorderTest, CountsByThePlacementThatRoutedThePass) {
  LazyDevice device;
  OneLayer layer(device);
  Count(layer, 3, 5);  // Expert 0.
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  layer.passes.SetLayer(0, {0, 1, 2, 1});
  Count(layer, 3, 6);  // Expert 1.
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  layer.passes.SetLayer(0, {0, 1, 2, 2});
  EPLB_ASSERT_OK(layer.passes.Finish(kNever, layer.window));
  EXPECT_THAT(layer.Sums(), ElementsAre(5, 6, 0));
  Count(layer, 3, 7);  // Expert 2.
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  EPLB_ASSERT_OK(layer.passes.Finish(kNever, layer.window));
  EXPECT_THAT(layer.Sums(), ElementsAre(5, 6, 7));
}

TEST(PassRecorderTest, ReadsTheLastPassThatIsOver) {
  LazyDevice device;
  OneLayer layer(device);
  Count(layer, 1, 5);
  EXPECT_THAT(Values(*layer.passes.Read(kNever, layer.window)), Each(0));
  EPLB_ASSERT_OK(layer.passes.Record(*layer.stream, kNever, layer.window));
  Count(layer, 2, 7);
  EXPECT_THAT(Values(*layer.passes.Read(kNever, layer.window)),
              ElementsAre(0, 5, 0, 0));
  // A dummy pass counts for nothing.
  EPLB_ASSERT_OK(layer.passes.Drop(*layer.stream));
  EXPECT_THAT(Values(*layer.passes.Read(kNever, layer.window)), Each(0));
  EXPECT_THAT(layer.Sums(), ElementsAre(0, 5, 0));
}

TEST(PassRecorderTest, ComesToTheSameLoadsAsCountersOfTheHost) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    CpuDevice cpu({.num_threads = 1});
    LazyDevice lazy;
    OneLayer host(cpu);
    OneLayer late(lazy);
    for (int pass = 0; pass < 60; ++pass) {
      for (int slot = 0; slot < kNumSlots; ++slot) {
        const int tokens = static_cast<int>(random.NextBelow(9));
        host.passes.counters().layer(0)[slot] += tokens;
        Count(late, slot, tokens);
      }
      if (random.NextBelow(4) == 0) {
        EPLB_ASSERT_OK(host.passes.Drop(*host.stream));
        EPLB_ASSERT_OK(late.passes.Drop(*late.stream));
      } else {
        EPLB_ASSERT_OK(host.passes.Record(*host.stream, kNever, host.window));
        EPLB_ASSERT_OK(late.passes.Record(*late.stream, kNever, late.window));
      }
      if (random.NextBelow(3) == 0) LazyDevice::Run(*late.stream);
      if (random.NextBelow(3) == 0) {
        const int32_t expert = static_cast<int32_t>(random.NextBelow(3));
        host.passes.SetLayer(0, {2, 0, 1, expert});
        late.passes.SetLayer(0, {2, 0, 1, expert});
      }
      if (random.NextBelow(5) != 0) continue;
      EPLB_ASSERT_OK(late.passes.Finish(kNever, late.window));
      ASSERT_EQ(late.Sums(), host.Sums());
    }
  }
}

}  // namespace
}  // namespace eplb
