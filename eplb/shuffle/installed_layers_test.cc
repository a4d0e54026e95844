#include "eplb/shuffle/installed_layers.h"

#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

TEST(InstalledLayersTest, FollowsSwitches) {
  const Placement placement = *Placement::Create(2, 2, 3, {0, 1, 0, 1, 0, -1});
  InstalledLayers installed(placement);
  EXPECT_THAT(installed.experts(1), ElementsAre(1, 0, -1));
  EXPECT_EQ(installed.commit_step(1), -1);
  const uint64_t before = installed.Hash(1);
  installed.Switch(1, {1, 0, 0}, /*commit_step=*/7, nullptr);
  EXPECT_EQ(installed.generation(1), 1);
  EXPECT_EQ(installed.commit_step(1), 7);
  EXPECT_NE(installed.Hash(1), before);
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement after, installed.ToPlacement());
  EXPECT_THAT(after.physical_to_logical_map(), ElementsAre(0, 1, 0, 1, 0, 0));
}

TEST(InstalledLayersTest, TellsGenerationsOfTheSamePlacementApart) {
  const Placement placement = *Placement::Create(1, 2, 2, {0, 1});
  InstalledLayers installed(placement);
  const uint64_t before = installed.Hash(0);
  installed.Adopt(placement, /*generation=*/5);
  EXPECT_EQ(installed.generation(0), 5);
  EXPECT_NE(installed.Hash(0), before);
}

}  // namespace
}  // namespace eplb
