#include "eplb/shuffle/staging_area.h"

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

class StagingAreaTest : public ::testing::Test {
 protected:
  CpuDevice device_;
  StagingArea area_ = *StagingArea::Create(device_, 256, 4);
};

TEST_F(StagingAreaTest, GivesRowsApart) {
  const std::optional<std::vector<int>> two = area_.Take(2);
  const std::optional<std::vector<int>> others = area_.Take(2);
  ASSERT_TRUE(two && others);
  std::set<const void*> places;
  for (const int row : *two) places.insert(area_.row(row));
  for (const int row : *others) places.insert(area_.row(row));
  EXPECT_EQ(places.size(), 4);
  EXPECT_EQ(area_.row(1), area_.row(0) + 256);
}

TEST_F(StagingAreaTest, GivesAllOrNothing) {
  const std::optional<std::vector<int>> three = area_.Take(3);
  EXPECT_EQ(area_.Take(2), std::nullopt);
  EXPECT_EQ(area_.num_free(), 1);
  area_.GiveBack(*three);
  EXPECT_EQ(area_.num_free(), 4);
}

TEST_F(StagingAreaTest, KeepsRowsInQuarantineUntilTheirUserIsGone) {
  auto user = std::make_shared<int>(0);
  area_.Quarantine(*area_.Take(3), {}, user);
  EXPECT_EQ(area_.num_free(), 1);
  user.reset();
  EXPECT_EQ(area_.num_free(), 4);
  EXPECT_TRUE(area_.Take(4));
}

TEST(StagingAreaCreateTest, SaysWhenThereIsNotSoMuchMemory) {
  CpuDevice device;
  EXPECT_THAT(StagingArea::Create(device, size_t{1} << 50, 8).status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace eplb
