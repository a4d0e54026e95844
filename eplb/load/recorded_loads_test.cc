#include "eplb/load/recorded_loads.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr int64_t kMax = int64_t{1} << 53;

RecordedShape Shape(int64_t steps, int64_t layers, int64_t experts) {
  return {
      .num_steps = steps, .num_layers = layers, .num_logical_experts = experts};
}

TEST(RecordedLoadsTest, KeepsStepsApartAndAddsThemUp) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RecordedLoads recorded,
      RecordedLoads::Create(Shape(2, 1, 3), {5, 0, 7, 1, 1, 1}));
  EXPECT_THAT(recorded.step(1), ElementsAre(1, 1, 1));
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads, recorded.SumOverSteps());
  EXPECT_THAT(loads.layer(0), ElementsAre(6, 1, 8));
}

TEST(RecordedLoadsTest, NamesThePlaceOfABadLoad) {
  EXPECT_THAT(RecordedLoads::Create(Shape(1, 2, 2), {0, 0, 0, -4}),
              StatusIs(kInvalid, "layer 1, expert 1: negative load -4"));
  EXPECT_THAT(
      RecordedLoads::Create(Shape(2, 1, 2), {0, 0, 0, kMax + 1}),
      StatusIs(kInvalid, HasSubstr("step 1, layer 0, expert 1: load 9007")));
}

TEST(RecordedLoadsTest, RefusesSizesThatDoNotFit) {
  EXPECT_THAT(RecordedLoads::Create(Shape(0, 1, 1), {}),
              StatusIs(kInvalid, HasSubstr("at least 1")));
  EXPECT_THAT(RecordedLoads::Create(Shape(1, 1, -1), {}),
              StatusIs(kInvalid, HasSubstr("at least 1")));
  EXPECT_THAT(RecordedLoads::Create(Shape(1, 1, 2), {1}),
              StatusIs(kInvalid, HasSubstr("1 loads")));
  const int64_t huge = int64_t{1} << 62;
  for (const RecordedShape& shape :
       {Shape(huge, huge, huge), Shape(1, 1 << 15, 1 << 14),
        Shape(2, 1, huge)}) {
    EXPECT_THAT(shape.Validate(), StatusIs(kInvalid, HasSubstr("more than")));
  }
}

TEST(RecordedLoadsTest, RefusesSumsBeyondTheLimit) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RecordedLoads recorded,
      RecordedLoads::Create(Shape(3, 1, 2), {0, 1, 0, kMax - 1, 0, 1}));
  EXPECT_THAT(recorded.SumOverSteps(),
              StatusIs(kInvalid,
                       "layer 0, expert 1: the loads of the first 3 steps add "
                       "up to 9007199254740993, more than 9007199254740992"));
}

}  // namespace
}  // namespace eplb
