#include "tools/report/report_page.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"
#include "tools/report/page_figures.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

int Count(absl::string_view text, absl::string_view part) {
  int count = 0;
  for (size_t at = text.find(part); at != absl::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

Report SmallReport() {
  Report report;
  report.title = "small";
  report.before_label = "before";
  report.after_label = "after";
  report.balancedness_before = 0.5;
  report.balancedness_after = 0.875;
  report.points = {{10, 0.5}, {20, 0}, {30, 0.875}};
  report.rearrangements = {{.step = 20,
                            .moved_slots = 14,
                            .moved_bytes = 14 * 1024,
                            .plan_seconds = 0.0025,
                            .stall_seconds = 0.5}};
  report.longest_stall_seconds = 0.5;
  report.total_stall_seconds = 0.625;
  report.ranks_before = MakeRankLoadMap(1, 2, {3, 1});
  report.ranks_after = MakeRankLoadMap(1, 2, {2, 2});
  report.hottest = {
      {.layer = 0, .expert = 7, .load_over_mean = 2.5, .ranks = {0, 1}}};
  report.configuration = {{"policy", "greedy"}};
  return report;
}

TEST(ReportPageTest, ShowsEveryFigureAndHasItInItsJson) {
  const std::string page = ReportPage(SmallReport());
  for (const char* part :
       {"<title>small</title>", "data-json=\"balancedness_after\">0.875<",
        "data-json=\"totals.rearrangements\">1<",
        "data-json=\"totals.moved_slots\">14<",
        "data-json=\"totals.moved_bytes\" "
        "data-scale=\"0.0009765625\">14.0</span> KiB",
        "data-json=\"totals.mean_plan_seconds\" data-scale=\"1000\">2.50<",
        "data-json=\"totals.longest_stall_seconds\" "
        "data-scale=\"1000\">500<",
        "data-json=\"totals.total_stall_seconds\" data-scale=\"1000\">625<",
        "layer 0, rank 0: 1.500",
        "data-json=\"rearrangements.0.moved_bytes\" "
        "data-scale=\"0.0009765625\">14.0</span> KiB",
        "data-json=\"balancedness.2\">0.875<",
        "data-json=\"rearrangements.0.plan_seconds\" "
        "data-scale=\"1000\">2.500<",
        "data-json=\"rearrangements.0.stall_seconds\" "
        "data-scale=\"1000\">500.000<",
        "data-json=\"hottest_experts.0.load_over_mean\">2.50<",
        "<td class=\"name\">greedy</td>"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  const Json figures = PageFigures(page);
  EXPECT_EQ(figures["format"], "eplb.report/1");
  EXPECT_EQ(figures["steps"], Json({10, 20, 30}));
  EXPECT_EQ(figures["balancedness"], Json({0.5, 0.0, 0.875}));
  EXPECT_EQ(figures["rearrangements"][0]["moved_slots"], 14);
  EXPECT_EQ(figures["ranks_before"]["load_over_mean"],
            Json::parse("[[1.5, 0.5]]"));
  EXPECT_EQ(figures["totals"]["total_stall_seconds"], 0.625);
  EXPECT_EQ(figures["hottest_experts"][0]["ranks"], Json({0, 1}));
}

TEST(ReportPageTest, LeavesOutWhatIsNotKnown) {
  const std::string page = ReportPage({.title = "empty"});
  for (const char* part :
       {"class=\"chart\"", "class=\"heat\"", "<table", "Slots moved"}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
  EXPECT_EQ(PageFigures(page)["title"], "empty");
}

TEST(ReportPageTest, NothingInAFileBecomesMarkup) {
  const std::string evil =
      "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
  Report report = SmallReport();
  report.title = report.source = report.before_label = report.after_label =
      report.step_name = evil;
  report.configuration = {{evil, evil}};
  report.variants = {{.policy = evil}};
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_EQ(Count(page, "<script"), 2);
  EXPECT_EQ(Count(page, "</script"), 2);
  EXPECT_EQ(PageFigures(page)["title"], evil);
}

TEST(ReportPageTest, GapsInTheLineAreStepsWithoutTokens) {
  const std::string page = ReportPage(SmallReport());
  // 0.5 and 0.875 of the height, from 258 up to 18.
  EXPECT_THAT(page, HasSubstr("M44.0,138.00h0.1M948.0,48.00h0.1"));
}

TEST(ReportPageTest, MarksStepsHoweverLargeTheyAre) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  for (const int64_t first :
       {int64_t{0}, kLast / 2, kLast - 1000, kLast - 7, kLast - 1, kLast}) {
    SCOPED_TRACE(first);
    Report report = SmallReport();
    report.points = {{first, 0.5}};
    if (first < kLast) report.points.push_back({kLast, 0.75});
    const std::string page = ReportPage(report);
    const int ticks = Count(page, "text-anchor=\"middle\"");
    // Those of the scale of colours are nine.
    EXPECT_GE(ticks, 9 + 1);
    EXPECT_LE(ticks, 9 + 12);
  }
}

TEST(ReportPageTest, MarksARearrangementAfterTheLastStepAtTheEdge) {
  Report report = SmallReport();
  report.rearrangements[0].step = 31;
  EXPECT_THAT(ReportPage(report), HasSubstr("d=\"M948.0,18V258\""));
}

TEST(ReportPageTest, RearrangementsAreScoredUntilTheNext) {
  Report report = SmallReport();
  report.points = {{0, 0.25}, {10, 0.5}, {20, 0.75}, {30, 0}, {40, 1}};
  report.rearrangements = {{.step = 10}, {.step = 20}, {.step = 99}};
  const Json rows = PageFigures(ReportPage(report))["rearrangements"];
  EXPECT_EQ(rows[0]["balancedness"], 0.5);
  EXPECT_EQ(rows[1]["balancedness"], 0.875);
  EXPECT_FALSE(rows[2].contains("balancedness"));
}

TEST(ReportPageTest, ALargeReportStaysSmall) {
  Report report = SmallReport();
  report.points.clear();
  for (int step = 0; step < 1000; ++step) {
    report.points.push_back({step, 0.123456789 + step * 1e-4});
    report.without.push_back({step, 0.0987654321 + step * 1e-4});
  }
  std::vector<double> loads(60 * 64);
  for (size_t i = 0; i < loads.size(); ++i) loads[i] = 1.0 + i * 0.37;
  report.ranks_before = report.ranks_after = MakeRankLoadMap(60, 64, loads);
  const size_t size = ReportPage(report).size();
  EXPECT_LT(size, 1 << 20);

  // Ten times the steps and ranks are folded.
  for (int step = 1000; step < 10000; ++step) {
    report.points.push_back({step, 0.5});
    report.without.push_back({step, 0.5});
    report.rearrangements.push_back({.step = step, .moved_slots = 1});
  }
  report.ranks_before = report.ranks_after =
      MakeRankLoadMap(120, 1024, std::vector<double>(120 * 1024, 1));
  const std::string page = ReportPage(report);
  EXPECT_LT(page.size(), 5 << 20);
  EXPECT_THAT(page, HasSubstr("The last 500 of 9001"));
  EXPECT_THAT(page, HasSubstr("the mean of up to 7 steps"));
  EXPECT_THAT(page, HasSubstr("ranks 8 to 15: 1.000"));
}

TEST(ReportPageTest, IsWrittenAsAWhole) {
  const TemporaryFolder folder;
  const std::string name = folder.PathOf("r.html");
  EPLB_ASSERT_OK(WriteReport(name, SmallReport()));
  EXPECT_EQ(folder.Read("r.html"), ReportPage(SmallReport()));
  EXPECT_THAT(WriteReport(folder.PathOf("no/r.html"), SmallReport()),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace eplb
