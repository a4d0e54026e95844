#include "tools/house/plan.h"

#include <algorithm>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace eplb {
namespace {

// Rooms are listed from the ground up, so an arrow to a later room would be an
// arrow up or part of a circle.
TEST(PlanTest, RoomsIncludeOnlyRoomsListedBeforeThem) {
  std::set<std::string> before;
  for (const Room& room : HousePlan().rooms) {
    for (const auto name : room.may_include) {
      const std::string folder(name);
      // Single headers of testing/, which is beside the floors.
      if (folder.rfind("testing/", 0) == 0) continue;
      EXPECT_EQ(before.count(folder), 1u) << room.folder << " -> " << folder;
    }
    EXPECT_TRUE(before.insert(std::string(room.folder)).second)
        << room.folder << " is listed twice";
  }
}

TEST(PlanTest, NothingBelowTheStateKnowsTheState) {
  for (const Room& room : HousePlan().rooms) {
    const bool knows = std::count(room.may_include.begin(),
                                  room.may_include.end(), "eplb/state") > 0;
    const std::set<std::string> above = {"benchmarks", "tools", "examples",
                                         "python"};
    EXPECT_EQ(knows, above.count(std::string(room.folder)) == 1) << room.folder;
  }
}

}  // namespace
}  // namespace eplb
