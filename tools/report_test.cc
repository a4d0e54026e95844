// Runs the real `eplb report` and `eplb simulate --report` as processes.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/report/page_figures.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

constexpr char kDump[] = "testing/data/small_expert_load.jsonl";

ProgramResult Eplb(std::vector<std::string> words) {
  words.insert(words.begin(), "tools/eplb");
  return RunProcess(words);
}

TEST(ReportTest, MakesAPageOfADump) {
  const TemporaryFolder folder;
  const std::string output = folder.PathOf("r.html");
  const ProgramResult result =
      Eplb({"report", std::string("--input=") + kDump, "--output=" + output});
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, IsEmpty());
  EXPECT_EQ(result.standard_output,
            output + ": 30 windows, 2 rearrangements\n");
  const Json figures = PageFigures(folder.Read("r.html"));
  EXPECT_EQ(figures["steps"].size(), 30u);
  EXPECT_EQ(figures["rearrangements"][0]["step"], 450);
  EXPECT_GT(figures["balancedness_after"], figures["balancedness_before"]);
}

TEST(ReportTest, MakesAPageOfASimulation) {
  const TemporaryFolder folder;
  const ProgramResult result =
      Eplb({"simulate", "--trace=testing/data/gptoss20b_domain_counts.npy",
            "--ranks=4,8", "--redundant=8", "--interval=20", "--format=json",
            "--report=" + folder.PathOf("r.html")});
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  const Json rows = Json::parse(result.standard_output)["results"];
  const Json figures = PageFigures(folder.Read("r.html"));
  ASSERT_EQ(figures["variants"].size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(figures["variants"][i]["balancedness"], rows[i]["balancedness"]);
  }
  // The smaller group is the more balanced one.
  EXPECT_EQ(figures["balancedness_after"], rows[0]["balancedness"]);
  EXPECT_EQ(figures["balancedness_before"], rows[0]["balancedness_without"]);
  EXPECT_EQ(figures["ranks_after"]["num_ranks"], 4);
  EXPECT_EQ(figures["rearrangements"].size(), rows[0]["rearrangements"]);
  EXPECT_EQ(figures["steps"][0], 5);
}

TEST(ReportTest, RefusesWhatIsNoDump) {
  const TemporaryFolder folder;
  const std::string output = "--output=" + folder.PathOf("r.html");
  const auto refuses = [](const std::vector<std::string>& words,
                          const std::string& message) {
    const ProgramResult result = Eplb(words);
    EXPECT_EQ(result.exit_status, 2);
    EXPECT_THAT(result.standard_error, HasSubstr(message));
  };
  refuses({"report", output}, "--input=FILE is missing");
  refuses({"report", "--input=none", output}, "none: cannot open");
  refuses({"report", "--input=" + folder.Write("d.jsonl", "{}\n"), output},
          "d.jsonl: line 1: ");
  refuses({"report", std::string("--input=") + kDump,
           "--output=" + folder.PathOf("no/r.html")},
          "no/r.html: cannot write");
}

}  // namespace
}  // namespace eplb
