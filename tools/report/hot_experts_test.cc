#include "tools/report/hot_experts.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eplb/core/placement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Texts(const std::vector<HotExpert>& experts) {
  std::vector<std::string> texts;
  for (const HotExpert& hot : experts) {
    texts.push_back(absl::StrCat(hot.layer, "/", hot.expert, ": ",
                                 hot.load_over_mean, " on ",
                                 absl::StrJoin(hot.ranks, ",")));
  }
  return texts;
}

// Two layers of three experts on two ranks of two slots.
Placement TwoLayers() {
  return *Placement::Create(2, 3, 4, {0, 1, 2, 0, 0, 1, 2, 2});
}

TEST(HotExpertsTest, ComparesExpertsWithTheMeanOfTheirLayer) {
  EXPECT_THAT(Texts(HottestExperts({2, 3, 1, 10, 10, 40}, TwoLayers(),
                                   /*num_ranks=*/2, /*count=*/3)),
              ElementsAre("1/2: 2 on 1,1", "0/1: 1.5 on 0", "0/0: 1 on 0,1"));
}

TEST(HotExpertsTest, OfEqualOnesTheLowerComesFirst) {
  EXPECT_THAT(Texts(HottestExperts({1, 1, 1, 5, 5, 5}, TwoLayers(), 2, 4)),
              ElementsAre("0/0: 1 on 0,1", "0/1: 1 on 0", "0/2: 1 on 1",
                          "1/0: 1 on 0"));
}

TEST(HotExpertsTest, LeavesExpertsWithoutLoadOut) {
  EXPECT_THAT(Texts(HottestExperts({0, 6, 0, 0, 0, 0}, TwoLayers(), 2, 9)),
              ElementsAre("0/1: 3 on 0"));
  EXPECT_THAT(HottestExperts({0, 0, 0, 0, 0, 0}, TwoLayers(), 2, 9), IsEmpty());
}

}  // namespace
}  // namespace eplb
