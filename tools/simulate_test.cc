// Runs the real `eplb simulate` as a process.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

constexpr char kTrace[] = "--trace=testing/data/gptoss20b_domain_counts.npy";

ProgramResult EplbSimulate(std::vector<std::string> words) {
  words.insert(words.begin(), {"tools/eplb", "simulate"});
  return RunProcess(words);
}

std::string Results(const std::vector<std::string>& words) {
  const ProgramResult result = EplbSimulate(words);
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, IsEmpty());
  return result.standard_output;
}

// The rows, without the times, which alone may differ.
Json Rows(std::vector<std::string> words) {
  words.push_back("--format=json");
  Json rows = Json::parse(Results(words))["results"];
  for (Json& row : rows) {
    EXPECT_GT(row["plan_seconds"], 0);
    row.erase("plan_seconds");
  }
  return rows;
}

void ExpectRefused(const std::vector<std::string>& words,
                   const std::string& message) {
  SCOPED_TRACE(testing::PrintToString(words));
  const ProgramResult result = EplbSimulate(words);
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.standard_output, IsEmpty());
  EXPECT_THAT(result.standard_error, StartsWith("eplb: "));
  EXPECT_THAT(result.standard_error, HasSubstr(message));
  EXPECT_EQ(std::count(result.standard_error.begin(),
                       result.standard_error.end(), '\n'),
            1)
      << result.standard_error;
}

TEST(SimulateTest, PrintsTheContractsFieldsInTheirOrder) {
  const Json result = Json::parse(Results({kTrace, "--ranks=8", "--redundant=8",
                                           "--interval=20", "--format=json"}));
  EXPECT_EQ(result["format"], "eplb.simulation/1");
  ASSERT_EQ(result["results"].size(), 1u);
  std::vector<std::string> names;
  for (const auto& field : result["results"][0].items()) {
    names.push_back(field.key());
  }
  EXPECT_THAT(
      names,
      ElementsAre("policy", "num_ranks", "num_redundant_experts",
                  "balancedness", "worst_balancedness", "balancedness_without",
                  "rearrangements", "moved_slots_per_rearrangement",
                  "moved_bytes_per_rearrangement", "plan_seconds"));
}

TEST(SimulateTest, GivesOneRowForEachCombination) {
  const Json rows = Rows({kTrace, "--ranks=4,8", "--redundant=8,0",
                          "--policy=greedy,incremental", "--interval=20",
                          "--window=40", "--expert_bytes=1000"});
  ASSERT_EQ(rows.size(), 8u);
  std::vector<std::string> combinations;
  for (const Json& row : rows) {
    combinations.push_back(absl::StrCat(row["num_ranks"].get<int>(), " ",
                                        row["num_redundant_experts"].get<int>(),
                                        " ", row["policy"].get<std::string>()));
    // 5, 25, ..., 285 of 291 steps.
    EXPECT_EQ(row["rearrangements"], 15);
    EXPECT_GT(row["balancedness"], row["worst_balancedness"]);
    EXPECT_LE(row["balancedness"], 1);
    EXPECT_NEAR(row["moved_bytes_per_rearrangement"],
                1000 * row["moved_slots_per_rearrangement"].get<double>(),
                1e-6);
  }
  EXPECT_THAT(combinations,
              ElementsAre("4 8 greedy", "4 8 incremental", "4 0 greedy",
                          "4 0 incremental", "8 8 greedy", "8 8 incremental",
                          "8 0 greedy", "8 0 incremental"));
  // With redundancy, balancing pays on real traffic.
  EXPECT_GT(rows[4]["balancedness"], rows[4]["balancedness_without"]);
  // And incremental moves less.
  EXPECT_LT(rows[5]["moved_slots_per_rearrangement"],
            rows[4]["moved_slots_per_rearrangement"]);
}

TEST(SimulateTest, IsTheSameForTheSameSeedOnAnyNumberOfThreads) {
  const std::vector<std::string> words = {"--traffic=zipf:1.2,drift=0.95",
                                          "--ranks=4,8",
                                          "--redundant=16",
                                          "--policy=refined,incremental",
                                          "--layers=3",
                                          "--experts=32",
                                          "--steps=90",
                                          "--interval=30"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), words.begin(), words.end());
    return Rows(more);
  };
  const Json rows = with({"--threads=1", "--seed=7"});
  EXPECT_EQ(with({"--threads=4", "--seed=7"}), rows);
  EXPECT_NE(with({"--threads=4", "--seed=8"}), rows);
}

TEST(SimulateTest, ReadsEveryFormatOfLoads) {
  const TemporaryFolder folder;
  std::string dump;
  std::string steps;
  for (int step = 0; step < 6; ++step) {
    absl::StrAppend(&steps, step == 0 ? "" : ",", "[[", 9 - step, ",1,2]]");
    absl::StrAppend(&dump, R"({"world_size":1,"num_logical_experts":3,)",
                    R"("window_expert_load":[[)", 9 - step,
                    R"(,1,2]],"physical_to_logical_map":[[0,1,2]]})", "\n");
  }
  const std::vector<std::string> flags = {"--ranks=2", "--redundant=1",
                                          "--interval=2"};
  const auto simulated = [&](const std::string& source) {
    std::vector<std::string> words = flags;
    words.push_back(source);
    return Rows(words);
  };
  const std::string json = folder.Write("l.json", "[" + steps + "]");
  const Json rows = simulated("--trace=" + json);
  EXPECT_EQ(simulated("--traffic=file:" + json), rows);
  EXPECT_EQ(simulated("--trace=" + folder.Write("d.jsonl", dump)), rows);
}

TEST(SimulateTest, HandlesALargeGroup) {
  const Json rows = Rows({"--traffic=zipf:1.0", "--ranks=1024", "--layers=1",
                          "--experts=1024", "--redundant=1024", "--steps=6",
                          "--interval=4", "--nodes=128"});
  EXPECT_EQ(rows[0]["rearrangements"], 2);
  EXPECT_GT(rows[0]["balancedness"],
            2 * rows[0]["balancedness_without"].get<double>());
}

TEST(SimulateTest, PrintsATable) {
  const std::string text = Results({"--traffic=uniform", "--ranks=4,8"});
  EXPECT_THAT(text, StartsWith("policy        ranks  redundant  without"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(SimulateTest, RefusesWrongUsage) {
  ExpectRefused({"--ranks=8"},
                "one of --trace=FILE and --traffic=SPEC must be given");
  ExpectRefused({"--ranks=8", kTrace, "--traffic=uniform"}, "only one of");
  ExpectRefused({kTrace}, "--ranks=N,N is missing");
  ExpectRefused({kTrace, "--ranks=8,8"}, "8 is there twice");
  ExpectRefused({kTrace, "--ranks=8", "--policy=greedy,greedy"},
                "'greedy' is there twice");
  ExpectRefused({kTrace, "--ranks=8", "--policy=gredy"},
                "did you mean greedy?");
  ExpectRefused({"--traffic=zipf", "--ranks=8"}, "zipf needs a parameter");
  ExpectRefused({"--traffic=file:", "--ranks=8"}, "names no file");
  ExpectRefused({"--traffic=file:none.npy", "--ranks=8"}, "none.npy: cannot");
  ExpectRefused({"--traffic=uniform", "--ranks=8", "--steps=2000000000"},
                "are more than 268435456 loads");
}

TEST(SimulateTest, RefusesCombinationsByName) {
  ExpectRefused({kTrace, "--ranks=8,12", "--redundant=0,8"},
                "--ranks=12 --redundant=0: ");
  ExpectRefused({kTrace, "--ranks=8,12", "--nodes=8"},
                "--ranks=12: does not divide by --nodes=8; the nearest number "
                "that does is 8");
  ExpectRefused({kTrace, "--ranks=8", "--groups=5"},
                "--groups=5: does not divide the 32 experts of testing/data");
  ExpectRefused({kTrace, "--ranks=64"}, "--ranks=64 --redundant=0: ");
  ExpectRefused({"--traffic=uniform", "--ranks=8", "--groups=5"},
                "the 64 experts of the traffic");
  ExpectRefused({kTrace, "--ranks=8", "--interval=4000"},
                "the trace has 291 steps, and with an interval of 4000 the "
                "first placement is made after 1000");
}

}  // namespace
}  // namespace eplb
