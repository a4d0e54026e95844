#include "eplb/load/load_window.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LoadWindowTest, AddsUpTheLastStepsAndForgetsEarlierOnes) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      LoadWindow window,
      LoadWindow::Create(
          {.num_layers = 1, .num_logical_experts = 2, .window_size = 2}));
  window.SetLayer(0, {1, 10});
  window.Advance();
  EXPECT_THAT(window.Sums(), ElementsAre(1, 10));
  window.SetLayer(0, {2, 20});
  window.Advance();
  EXPECT_THAT(window.Sums(), ElementsAre(3, 30));
  window.SetLayer(0, {4, 0});
  window.Advance();
  EXPECT_THAT(window.Sums(), ElementsAre(6, 20));
  EXPECT_EQ(window.num_steps(), 2);
}

TEST(LoadWindowTest, SumsAsALoopOverTheStepsDoes) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    DeterministicRandom random(seed);
    const int layers = 1 + static_cast<int>(random.NextBelow(7));
    const int experts = 1 + static_cast<int>(random.NextBelow(40));
    const int window_size = 1 + static_cast<int>(random.NextBelow(12));
    const double decay = seed % 3 == 0 ? 0.9 : 1.0;
    EPLB_ASSERT_OK_AND_ASSIGN(
        LoadWindow window,
        LoadWindow::Create({layers, experts, window_size, decay}));
    std::vector<std::vector<int32_t>> steps(random.NextBelow(40));
    for (std::vector<int32_t>& step : steps) {
      step.resize(layers * experts);
      for (int32_t& count : step) {
        count = static_cast<int32_t>(random.NextBelow(INT32_MAX));
      }
      for (int layer = 0; layer < layers; ++layer) {
        window.SetLayer(
            layer, absl::MakeConstSpan(step).subspan(layer * experts, experts));
      }
      window.Advance();
    }
    const std::vector<int64_t> sums = window.Sums();
    for (size_t i = 0; i < sums.size(); ++i) {
      double expected = 0;
      for (size_t age = 0;
           age < steps.size() && age < static_cast<size_t>(window_size);
           ++age) {
        expected += std::pow(decay, static_cast<double>(age)) *
                    steps[steps.size() - 1 - age][i];
      }
      // Without a decay, exact: all sums are far below 2^53.
      EXPECT_NEAR(static_cast<double>(sums[i]), expected, decay == 1 ? 0 : 1);
    }
  }
}

TEST(LoadWindowTest, SumsBeyondThirtyTwoBits) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadWindow window,
                            LoadWindow::Create({1, 1, /*window_size=*/8}));
  for (int i = 0; i < 8; ++i) {
    window.SetLayer(0, {INT32_MAX});
    window.Advance();
  }
  EXPECT_THAT(window.Sums(), ElementsAre(int64_t{8} * INT32_MAX));
}

TEST(LoadWindowTest, ForgetsADecayedLoadEntirely) {
  EPLB_ASSERT_OK_AND_ASSIGN(LoadWindow window,
                            LoadWindow::Create({1, 1, /*window_size=*/3, 0.7}));
  window.SetLayer(0, {1000});
  window.Advance();
  for (int i = 0; i < 3; ++i) {
    window.SetLayer(0, {0});
    window.Advance();
  }
  EXPECT_THAT(window.Sums(), ElementsAre(0));
}

TEST(LoadWindowTest, RefusesSizesAndDecaysThatMeanNothing) {
  EXPECT_THAT(LoadWindow::Create({0, 1, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(
      LoadWindow::Create({1, 1, 0}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 steps")));
  EXPECT_THAT(
      LoadWindow::Create({1 << 10, 1 << 10, 1 << 11}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1073741824")));
  for (const double decay : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_THAT(
        LoadWindow::Create({1, 1, 1, decay}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("load_decay")));
  }
}

}  // namespace
}  // namespace eplb
