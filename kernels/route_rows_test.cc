#include "kernels/route_rows.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/map_and_record.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

auto Refuses(const std::string& message) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message));
}

TEST(RouteRowsTest, ListsTheSlotsOfEachExpert) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows,
                            RouteRows::Create(4, {2, 0, -1, 3, 0, 0}));
  EXPECT_EQ(rows.num_experts(), 4);
  EXPECT_EQ(rows.num_slots(), 6);
  // Expert 1 is nowhere, slot 2 empty.
  EXPECT_THAT(rows.row_begin(), ElementsAre(0, 3, 3, 4, 5));
  EXPECT_THAT(rows.slots(), ElementsAre(1, 4, 5, 0, 3));
}

TEST(RouteRowsTest, HasEqualSharesUnlessTold) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows,
                            RouteRows::Create(2, {0, 0, 0, 1}));
  EXPECT_THAT(rows.share_ends(),
              ElementsAre(715827882, 1431655765, kWholeShare, kWholeShare));
}

TEST(RouteRowsTest, AddsUpTheSharesOfEachExpert) {
  constexpr uint32_t kHalf = kWholeShare / 2;
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RouteRows rows,
      RouteRows::Create(2, {0, 1, 0, 0}, {kHalf, kWholeShare, kHalf - 10, 10}));
  EXPECT_THAT(rows.share_ends(),
              ElementsAre(kHalf, kWholeShare - 10, kWholeShare, kWholeShare));
}

TEST(RouteRowsTest, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(RouteRows::Create(0, {0}), Refuses("0 experts"));
  EXPECT_THAT(RouteRows::Create(2, {0, 2}),
              Refuses("slot 1 holds expert 2; there are 2 experts"));
  EXPECT_THAT(RouteRows::Create(1, {0, 0}, {kWholeShare}),
              Refuses("1 shares for 2 slots"));
  EXPECT_THAT(RouteRows::Create(1, {0, 0}, {1, 2}),
              Refuses("the shares of expert 0 add up to 3"));
  // A sum that is right in 32 bits only.
  EXPECT_THAT(
      RouteRows::Create(1, {0, 0, 0}, {kWholeShare, kWholeShare, kWholeShare}),
      Refuses("add up to 6442450944"));
}

}  // namespace
}  // namespace eplb
