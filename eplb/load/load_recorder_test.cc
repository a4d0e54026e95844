#include "eplb/load/load_recorder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "eplb/load/load_window.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

LoadWindow WindowOf(int layers, int experts) {
  return *LoadWindow::Create({layers, experts, /*window_size=*/4});
}

TEST(LoadRecorderTest, AddsTheReplicasOfAnExpertAndZeroesThePass) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadRecorder recorder,
                            LoadRecorder::Create(1, 3, CountedExperts::kSlots));
  recorder.SetLayer(0, {2, 0, -1, 1, 0});
  LoadWindow window = WindowOf(1, 3);
  std::vector<int32_t> counts = {1, 10, 99, 100, 1000};
  EPLB_EXPECT_OK(recorder.Record({counts.data(), 5}, window));
  EXPECT_THAT(window.Sums(), ElementsAre(1010, 100, 1));
  EXPECT_THAT(counts, Each(0));
}

TEST(LoadRecorderTest, CreditsEachPassByThePlacementThatRoutedIt) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadRecorder recorder,
                            LoadRecorder::Create(1, 2, CountedExperts::kSlots));
  LoadWindow window = WindowOf(1, 2);
  recorder.SetLayer(0, {0, 1});
  std::vector<int32_t> counts = {7, 1};
  EPLB_EXPECT_OK(recorder.Record({counts.data(), 2}, window));
  recorder.SetLayer(0, {1, 0});
  counts = {2, 5};
  EPLB_EXPECT_OK(recorder.Record({counts.data(), 2}, window));
  EXPECT_THAT(window.Sums(), ElementsAre(7 + 5, 1 + 2));
}

TEST(LoadRecorderTest, TakesLogicalCountsAsTheyAre) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      LoadRecorder recorder,
      LoadRecorder::Create(2, 2, CountedExperts::kLogicalExperts));
  LoadWindow window = WindowOf(2, 2);
  // A stride of 3: the last entry of each layer is not read.
  std::vector<int32_t> counts = {1, 2, -5, 3, 4, -6};
  EPLB_EXPECT_OK(recorder.Record({counts.data(), 3}, window));
  EXPECT_THAT(window.Sums(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(counts, ElementsAre(0, 0, -5, 0, 0, -6));
}

TEST(LoadRecorderTest, AddsUpAsALoopOverTheSlotsDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    DeterministicRandom random(seed);
    const int layers = 1 + static_cast<int>(random.NextBelow(4));
    const int experts = 1 + static_cast<int>(random.NextBelow(70));
    const int slots = experts + static_cast<int>(random.NextBelow(40));
    EPLB_ASSERT_OK_AND_ASSIGN(
        LoadRecorder recorder,
        LoadRecorder::Create(layers, experts, CountedExperts::kSlots));
    std::vector<int32_t> counts(layers * slots);
    std::vector<int64_t> expected(layers * experts);
    for (int layer = 0; layer < layers; ++layer) {
      std::vector<int32_t> map(slots);
      for (int slot = 0; slot < slots; ++slot) {
        map[slot] =
            slot < experts
                ? slot
                : static_cast<int32_t>(random.NextBelow(experts + 1)) - 1;
      }
      for (int slot = slots; slot > 1; --slot) {
        std::swap(map[slot - 1], map[random.NextBelow(slot)]);
      }
      recorder.SetLayer(layer, map);
      for (int slot = 0; slot < slots; ++slot) {
        if (map[slot] < 0) continue;
        const int32_t count = static_cast<int32_t>(random.NextBelow(1 << 20));
        counts[layer * slots + slot] = count;
        expected[layer * experts + map[slot]] += count;
      }
    }
    LoadWindow window = WindowOf(layers, experts);
    EPLB_EXPECT_OK(
        recorder.Record({counts.data(), static_cast<size_t>(slots)}, window));
    EXPECT_EQ(window.Sums(), expected);
  }
}

TEST(LoadRecorderTest, NamesACounterThatRanOverAndCountsItAsNothing) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadRecorder recorder,
                            LoadRecorder::Create(2, 2, CountedExperts::kSlots));
  LoadWindow window = WindowOf(2, 2);
  for (const int layer : {0, 1}) recorder.SetLayer(layer, {1, 0, 1});
  std::vector<int32_t> counts = {1, 2, 3, 4, 5, -6};
  EXPECT_THAT(recorder.Record({counts.data(), 3}, window),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 1, slot 2: count -6")));
  EXPECT_THAT(window.Sums(), ElementsAre(2, 4, 5, 4));
}

TEST(LoadRecorderTest, NamesASumOverReplicasThatIsTooLarge) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadRecorder recorder,
                            LoadRecorder::Create(1, 1, CountedExperts::kSlots));
  LoadWindow window = WindowOf(1, 1);
  recorder.SetLayer(0, {0, 0, 0});
  std::vector<int32_t> counts = {INT32_MAX, INT32_MAX, INT32_MAX};
  EXPECT_THAT(recorder.Record({counts.data(), 3}, window),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a sum over replicas")));
  EXPECT_THAT(window.Sums(), ElementsAre(INT32_MAX));
}

}  // namespace
}  // namespace eplb
