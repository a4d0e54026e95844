#include "eplb/core/expert_loads.h"

#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

constexpr int kLargest = std::numeric_limits<int>::max();

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

TEST(ExpertLoadsTest, KeepsTheLoadOfEachExpertOfEachLayer) {
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads,
                            ExpertLoads::Create(2, 3, {5, 0, 7, 1, 2, 3}));
  EXPECT_EQ(loads.num_layers(), 2);
  EXPECT_EQ(loads.num_logical_experts(), 3);
  EXPECT_THAT(loads.layer(0), ElementsAre(5, 0, 7));
  EXPECT_THAT(loads.layer(1), ElementsAre(1, 2, 3));
  EXPECT_EQ(loads.at(1, 2), 3);
  EXPECT_EQ(loads.layer_total(0), 12);
  EXPECT_EQ(loads.layer_total(1), 6);
  EXPECT_THAT(loads.values(), ElementsAre(5, 0, 7, 1, 2, 3));
}

TEST(ExpertLoadsTest, EqualLoadsAreEqual) {
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads,
                            ExpertLoads::Create(1, 4, {1, 2, 3, 4}));
  EXPECT_EQ(loads, *ExpertLoads::Create(1, 4, {1, 2, 3, 4}));
  EXPECT_NE(loads, *ExpertLoads::Create(1, 4, {1, 2, 3, 5}));
  EXPECT_NE(loads, *ExpertLoads::Create(2, 2, {1, 2, 3, 4}));
}

TEST(ExpertLoadsTest, CountsBeyondFloatPrecisionStayExact) {
  constexpr int64_t kLoad = (int64_t{1} << 53) - 1;
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads,
                            ExpertLoads::Create(1, 2, {kLoad, kLoad - 1}));
  EXPECT_EQ(loads.at(0, 0) - loads.at(0, 1), 1);
  EXPECT_EQ(loads.layer_total(0), 2 * kLoad - 1);
}

TEST(ExpertLoadsTest, RefusesSizesBelowOne) {
  for (const auto& [layers, experts] :
       {std::pair(0, 3), std::pair(3, 0), std::pair(-1, 3), std::pair(3, -1),
        std::pair(std::numeric_limits<int>::min(), 1)}) {
    EXPECT_THAT(
        ExpertLoads::Create(layers, experts, {1, 2, 3}),
        Refuses(absl::StrCat("loads of ", layers, " layers and ", experts,
                             " logical experts: both must be at least 1")));
  }
}

TEST(ExpertLoadsTest, RefusesAWrongNumberOfLoads) {
  EXPECT_THAT(ExpertLoads::Create(2, 3, {1, 2, 3, 4, 5}),
              Refuses("5 loads for 2 layers of 3 logical experts; there must "
                      "be 6"));
  EXPECT_THAT(ExpertLoads::Create(1, 3, {}),
              Refuses("0 loads for 1 layers of 3 logical experts; there must "
                      "be 3"));
}

TEST(ExpertLoadsTest, HugeSizesDoNotOverflow) {
  EXPECT_THAT(ExpertLoads::Create(kLargest, kLargest, {1}),
              Refuses("1 loads for 2147483647 layers of 2147483647 logical "
                      "experts; there must be 4611686014132420609"));
  // The product is 0 modulo 2^32.
  EXPECT_THAT(ExpertLoads::Create(1 << 16, 1 << 16, {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ExpertLoadsTest, RefusesANegativeLoad) {
  EXPECT_THAT(ExpertLoads::Create(2, 2, {1, 2, 3, -4}),
              Refuses("layer 1, expert 1: negative load -4"));
  EXPECT_THAT(ExpertLoads::Create(1, 1, {std::numeric_limits<int64_t>::min()}),
              Refuses("layer 0, expert 0: negative load -9223372036854775808"));
}

TEST(ExpertLoadsTest, LoadsAreCappedAtTheirLargestValue) {
  EXPECT_THAT(ExpertLoads::Create(1, 1, {ExpertLoads::kMaxLoad}), IsOk());
  EXPECT_THAT(ExpertLoads::Create(1, 2, {0, ExpertLoads::kMaxLoad + 1}),
              Refuses("layer 0, expert 1: load 9007199254740993 is more than "
                      "9007199254740992"));
}

TEST(ExpertLoadsTest, RefusesALayerWhoseSumOverflows) {
  // 1023 of the largest loads fit, 1024 make 2^63.
  std::vector<int64_t> loads(1024, ExpertLoads::kMaxLoad);
  loads.back() = ExpertLoads::kMaxLoad - 1;
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads fitting,
                            ExpertLoads::Create(1, 1024, loads));
  EXPECT_EQ(fitting.layer_total(0), std::numeric_limits<int64_t>::max());
  loads.back() = ExpertLoads::kMaxLoad;
  EXPECT_THAT(ExpertLoads::Create(1, 1024, loads),
              Refuses("layer 0, expert 1023: the layer's loads add up to more "
                      "than 9223372036854775807"));
  // Each layer has a sum of its own.
  EXPECT_THAT(ExpertLoads::Create(2, 512, loads), IsOk());
}

TEST(ExpertLoadsTest, AnyLoadsAreKeptAsTheyAre) {
  DeterministicRandom random(1);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(absl::StrCat("seed 1, round ", round));
    const int num_layers = 1 + static_cast<int>(random.NextBelow(8));
    const int num_experts = 1 + static_cast<int>(random.NextBelow(40));
    std::vector<int64_t> values(num_layers * num_experts);
    for (int64_t& value : values) {
      value = random.NextBelow(int64_t{1} << random.NextBelow(54));
    }
    EPLB_ASSERT_OK_AND_ASSIGN(
        const ExpertLoads loads,
        ExpertLoads::Create(num_layers, num_experts, values));
    EXPECT_EQ(loads.values(), absl::MakeConstSpan(values));
    for (int layer = 0; layer < num_layers; ++layer) {
      EXPECT_EQ(loads.layer_total(layer),
                std::accumulate(loads.layer(layer).begin(),
                                loads.layer(layer).end(), int64_t{0}));
    }

    // The same with one bad value is refused, and the place named.
    const int64_t bad = random.NextBelow(values.size());
    values[bad] = -1 - random.NextBelow(1000);
    EXPECT_THAT(ExpertLoads::Create(num_layers, num_experts, values),
                Refuses(absl::StrCat("layer ", bad / num_experts, ", expert ",
                                     bad % num_experts, ": negative load ",
                                     values[bad])));
  }
}

}  // namespace
}  // namespace eplb
