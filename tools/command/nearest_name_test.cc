#include "tools/command/nearest_name.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(EditDistanceTest, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("plan", "plan"), 0);
  EXPECT_EQ(EditDistance("", "plan"), 4);
  EXPECT_EQ(EditDistance("pln", "plan"), 1);
  EXPECT_EQ(EditDistance("paln", "plan"), 1);
  EXPECT_EQ(EditDistance("plaan", "plan"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
}

TEST(NearestNameTest, FindsWhatWasMeant) {
  const std::vector<std::string> names = {"loads", "policy", "nodes"};
  EXPECT_EQ(NearestName("polcy", names), "policy");
  EXPECT_EQ(NearestName("lodas", names), "loads");
  EXPECT_EQ(NearestName("node", names), "nodes");
  EXPECT_EQ(NearestName("temperature", names), "");
  EXPECT_EQ(NearestName(std::string(100000, 'x'), names), "");
  EXPECT_EQ(NearestName("x", {}), "");
}

TEST(DidYouMeanTest, AsksOnlyAboutNearNames) {
  EXPECT_EQ(DidYouMean("polcy", {"policy"}, "--"), "; did you mean --policy?");
  EXPECT_EQ(DidYouMean("temperature", {"policy"}), "");
}

}  // namespace
}  // namespace eplb
