#include "eplb/core/model_shape.h"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kLargest = std::numeric_limits<int>::max();
constexpr int kSmallest = std::numeric_limits<int>::min();

constexpr ModelShape kShape{.num_layers = 58,
                            .num_logical_experts = 256,
                            .num_redundant_experts = 32,
                            .num_expert_groups = 8};

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, message);
}

TEST(ModelShapeTest, PhysicalExpertsAreLogicalAndRedundantOnes) {
  EXPECT_EQ(kShape.num_physical_experts(), 288);
}

TEST(ModelShapeTest, AcceptsTheShapesOfModels) {
  EXPECT_THAT(kShape.Validate(), IsOk());
  EXPECT_THAT(
      (ModelShape{.num_layers = 1, .num_logical_experts = 1}.Validate()),
      IsOk());
}

TEST(ModelShapeTest, RedundancyHasNoCap) {
  ModelShape shape{.num_layers = 1, .num_logical_experts = 8};
  shape.num_redundant_experts = 8 * 1000;
  EXPECT_THAT(shape.Validate(), IsOk());
}

TEST(ModelShapeTest, RefusesAModelWithoutLayers) {
  ModelShape shape = kShape;
  shape.num_layers = 0;
  EXPECT_THAT(shape.Validate(),
              Refuses("num_layers is 0; it must be at least 1"));
  shape.num_layers = kSmallest;
  EXPECT_THAT(shape.Validate(),
              Refuses("num_layers is -2147483648; it must be at least 1"));
}

TEST(ModelShapeTest, RefusesAModelWithoutExperts) {
  ModelShape shape = kShape;
  shape.num_logical_experts = -1;
  EXPECT_THAT(shape.Validate(),
              Refuses("num_logical_experts is -1; it must be at least 1"));
  EXPECT_THAT(ModelShape{.num_layers = 1}.Validate(),
              Refuses("num_logical_experts is 0; it must be at least 1"));
}

TEST(ModelShapeTest, RefusesNegativeRedundancy) {
  ModelShape shape = kShape;
  shape.num_redundant_experts = -2;
  EXPECT_THAT(shape.Validate(),
              Refuses("num_redundant_experts is -2; it must not be negative"));
}

TEST(ModelShapeTest, RefusesGroupsThatDoNotDivideTheExperts) {
  for (const int groups : {0, -8, 7, 512, kLargest}) {
    ModelShape shape = kShape;
    shape.num_expert_groups = groups;
    EXPECT_THAT(shape.Validate(),
                Refuses(absl::StrCat("num_expert_groups is ", groups,
                                     "; it must be positive and divide "
                                     "num_logical_experts, which is 256")));
  }
}

TEST(ModelShapeTest, TablesAreCappedAtTheirLargestSize) {
  ModelShape shape{.num_layers = 1 << 10,
                   .num_logical_experts = 1 << 19,
                   .num_redundant_experts = 1 << 19};
  EXPECT_THAT(shape.Validate(), IsOk());
  ++shape.num_redundant_experts;
  EXPECT_THAT(shape.Validate(),
              Refuses("num_layers 1024 times 1048577 physical experts is more "
                      "than 1073741824"));
}

TEST(ModelShapeTest, HugeSizesDoNotOverflow) {
  for (const int layers : {1, 1 << 20, kLargest}) {
    EXPECT_THAT((ModelShape{.num_layers = layers,
                            .num_logical_experts = kLargest,
                            .num_redundant_experts = kLargest}
                     .Validate()),
                Refuses(absl::StrCat("num_layers ", layers,
                                     " times 4294967294 physical experts is "
                                     "more than 1073741824")));
  }
}

TEST(ModelShapeTest, SlotsThatDivideByTheRanksAreAccepted) {
  EXPECT_THAT(ValidateSlotsPerRank(kShape, 1), IsOk());
  EXPECT_THAT(ValidateSlotsPerRank(kShape, 32), IsOk());
  EXPECT_THAT(ValidateSlotsPerRank(kShape, 288), IsOk());
}

TEST(ModelShapeTest, SlotsThatDoNotDivideNameTheNearestRedundancy) {
  EXPECT_THAT(ValidateSlotsPerRank(kShape, 20),
              Refuses("288 slots do not divide by 20 ranks; the nearest number "
                      "that does is 280 (num_redundant_experts 24)"));
  // Fewer slots than experts are not proposed.
  EXPECT_THAT(
      ValidateSlotsPerRank({.num_layers = 1, .num_logical_experts = 10}, 8),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("that does is 16 (num_redundant_experts 6)")));
}

TEST(ModelShapeTest, SlotsPerRankRefusesSizesOutOfRange) {
  EXPECT_THAT(ValidateSlotsPerRank(kShape, 0),
              Refuses("num_ranks is 0; it must be at least 1"));
  EXPECT_THAT(ValidateSlotsPerRank(kShape, kSmallest),
              Refuses("num_ranks is -2147483648; it must be at least 1"));
  EXPECT_THAT(ValidateSlotsPerRank(ModelShape{}, 8),
              Refuses("num_layers is 0; it must be at least 1"));
  EXPECT_THAT(ValidateSlotsPerRank(kShape, kLargest),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("divide by 2147483647 ranks"),
                             HasSubstr("(num_redundant_experts 2147483391)"))));
}

TEST(ModelShapeTest, AutoIsTheSmallestRedundancyThatDivides) {
  EXPECT_THAT(AutoRedundantExperts(256, 32), IsOkAndHolds(0));
  EXPECT_THAT(AutoRedundantExperts(60, 8), IsOkAndHolds(4));
  EXPECT_THAT(AutoRedundantExperts(3, 8), IsOkAndHolds(5));
  EXPECT_THAT(AutoRedundantExperts(1, kLargest), IsOkAndHolds(kLargest - 1));
  EXPECT_THAT(AutoRedundantExperts(kLargest, 1), IsOkAndHolds(0));
}

TEST(ModelShapeTest, AutoRefusesSizesOutOfRange) {
  EXPECT_THAT(AutoRedundantExperts(0, 8),
              Refuses("num_logical_experts is 0 and num_ranks is 8; both must "
                      "be at least 1"));
  EXPECT_THAT(AutoRedundantExperts(8, kSmallest),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ModelShapeTest, NearestMultipleRoundsToTheNearerSide) {
  EXPECT_EQ(NearestMultiple(/*value=*/16, /*divisor=*/8, /*minimum=*/1), 16);
  EXPECT_EQ(NearestMultiple(19, 8, 1), 16);
  EXPECT_EQ(NearestMultiple(21, 8, 1), 24);
  EXPECT_EQ(NearestMultiple(20, 8, 1), 16);  // Of two equally near, the less.
  EXPECT_EQ(NearestMultiple(3, 8, 1), 8);    // Zero is no candidate.
  EXPECT_EQ(NearestMultiple(19, 8, 17), 24);
  EXPECT_EQ(NearestMultiple(5, 8, 40), 40);
  EXPECT_EQ(NearestMultiple(5, 8, 41), 48);
}

TEST(ModelShapeTest, NearestMultipleDoesNotOverflow) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(NearestMultiple(kMost, 2, 1), kMost - 1);
  EXPECT_EQ(NearestMultiple(kMost, kMost, kMost), kMost);
  EXPECT_EQ(NearestMultiple(1, kMost, 1), kMost);
  EXPECT_EQ(NearestMultiple(1, 2, kMost - 1), kMost - 1);
}

TEST(ModelShapeTest, NearestMultipleIsWhatASearchFinds) {
  DeterministicRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    const int64_t value = 1 + random.NextBelow(100);
    const int64_t divisor = 1 + random.NextBelow(30);
    const int64_t minimum = 1 + random.NextBelow(100);
    int64_t nearest = 0;
    for (int64_t multiple = divisor; multiple <= 300; multiple += divisor) {
      if (multiple < minimum) continue;
      if (nearest == 0 ||
          std::abs(multiple - value) < std::abs(nearest - value)) {
        nearest = multiple;
      }
    }
    EXPECT_EQ(NearestMultiple(value, divisor, minimum), nearest)
        << "seed 1: " << value << " " << divisor << " " << minimum;
  }
}

TEST(ModelShapeTest, TheNamedRedundancyIsAccepted) {
  DeterministicRandom random(2);
  for (int round = 0; round < 1000; ++round) {
    ModelShape shape{
        .num_layers = 1,
        .num_logical_experts = 1 + static_cast<int>(random.NextBelow(300)),
        .num_redundant_experts = static_cast<int>(random.NextBelow(100))};
    const int num_ranks = 1 + static_cast<int>(random.NextBelow(64));
    SCOPED_TRACE(absl::StrCat("seed 2, round ", round));
    EPLB_ASSERT_OK_AND_ASSIGN(
        const int smallest,
        AutoRedundantExperts(shape.num_logical_experts, num_ranks));
    const int64_t named =
        NearestMultiple(shape.num_physical_experts(), num_ranks,
                        shape.num_logical_experts) -
        shape.num_logical_experts;
    EXPECT_GE(named, smallest);
    shape.num_redundant_experts = static_cast<int>(named);
    EXPECT_THAT(ValidateSlotsPerRank(shape, num_ranks), IsOk());
    shape.num_redundant_experts = smallest;
    EXPECT_THAT(ValidateSlotsPerRank(shape, num_ranks), IsOk());
  }
}

}  // namespace
}  // namespace eplb
