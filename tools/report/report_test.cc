#include "tools/report/report.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(ReportTest, MeansAreOfTheStepsThatHadTokens) {
  const std::vector<ReportPoint> points = {{0, 0.5}, {1, 0}, {2, 1}, {5, 0.2}};
  EXPECT_EQ(MeanOfPoints(points, 0, 5), 0.75);
  EXPECT_EQ(MeanOfPoints(points, 5, 6), 0.2);
  EXPECT_EQ(MeanOfPoints(points, 1, 2), std::nullopt);
  EXPECT_EQ(MeanOfPoints(points, 6, 9), std::nullopt);
}

TEST(ReportTest, TotalsAreOfWhatIsKnown) {
  const ReportTotals totals = TotalsOf({{.moved_slots = 3, .plan_seconds = 0.5},
                                        {.moved_slots = 4},
                                        {.plan_seconds = 0.25}});
  EXPECT_EQ(totals.rearrangements, 3);
  EXPECT_EQ(totals.moved_slots, 7);
  EXPECT_EQ(totals.moved_bytes, std::nullopt);
  EXPECT_EQ(totals.mean_plan_seconds, 0.375);
  EXPECT_EQ(TotalsOf({}).moved_slots, std::nullopt);
}

TEST(ReportTest, FewPointsStayAsTheyAre) {
  const std::vector<ReportPoint> points = {{4, 0.5}, {7, 0}, {9, 1}};
  const std::vector<ReportPoint> folded = FoldPoints(points, 3);
  ASSERT_EQ(folded.size(), 3u);
  EXPECT_EQ(folded[2].step, 9);
}

TEST(ReportTest, ManyPointsAreFoldedIntoMeans) {
  const std::vector<ReportPoint> points = {
      {0, 0.5}, {1, 0}, {2, 1}, {3, 0.6}, {4, 0}};
  const std::vector<ReportPoint> folded = FoldPoints(points, 3);
  ASSERT_EQ(folded.size(), 3u);
  EXPECT_EQ(folded[0].balancedness, 0.5);
  EXPECT_EQ(folded[1].step, 2);
  EXPECT_EQ(folded[1].balancedness, 0.8);
  EXPECT_EQ(folded[2].balancedness, 0);
  EXPECT_TRUE(FoldPoints({}, 3).empty());
}

}  // namespace
}  // namespace eplb
