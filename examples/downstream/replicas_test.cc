// What this project relies on.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "gtest/gtest.h"

namespace downstream {
namespace {

constexpr eplb::ModelShape kShape{
    .num_layers = 2, .num_logical_experts = 8, .num_redundant_experts = 4};

TEST(ReplicasTest, EveryExpertHasASlotBeforeThereIsTraffic) {
  const absl::StatusOr<eplb::Placement> placement =
      eplb::Placement::Initial(kShape);
  ASSERT_TRUE(placement.ok()) << placement.status();
  for (int layer = 0; layer < kShape.num_layers; ++layer) {
    for (int expert = 0; expert < kShape.num_logical_experts; ++expert) {
      EXPECT_GE(placement->num_replicas(layer, expert), 1)
          << "layer " << layer << ", expert " << expert;
    }
  }
}

TEST(ReplicasTest, RanksThatDoNotDivideTheSlotsAreRefused) {
  EXPECT_EQ(eplb::ValidateSlotsPerRank(kShape, /*num_ranks=*/5).code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace downstream
