#include "eplb/state/prepared_routes.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/route_rows.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

UnitRoutes RoutesOf(const std::vector<int32_t>& experts_of_slots) {
  absl::StatusOr<RouteRows> rows =
      RouteRows::Create(/*num_experts=*/2, experts_of_slots);
  EPLB_EXPECT_OK(rows.status());
  return {*rows};
}

TEST(PreparedRoutesTest, KeepsThoseOfEachUnitForAsLongAsItIsThere) {
  PreparedRoutes prepared;
  auto first = std::make_shared<const ShuffleUnit>();
  const auto second = std::make_shared<const ShuffleUnit>();
  prepared.Add(first, RoutesOf({0, 1, 1}));
  prepared.Add(second, RoutesOf({1, 0, 0}));
  EXPECT_THAT((*prepared.Find(*first))[0].slots(), ElementsAre(0, 1, 2));
  EXPECT_THAT((*prepared.Find(*second))[0].slots(), ElementsAre(1, 2, 0));
  EXPECT_EQ(prepared.Find(ShuffleUnit()), nullptr);

  const std::weak_ptr<const UnitRoutes> routes = prepared.Find(*first);
  first = nullptr;
  EXPECT_FALSE(routes.expired());
  prepared.Add(std::make_shared<const ShuffleUnit>(), RoutesOf({0, 1, 0}));
  EXPECT_TRUE(routes.expired());
  EXPECT_NE(prepared.Find(*second), nullptr);
}

}  // namespace
}  // namespace eplb
