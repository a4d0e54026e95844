// `eplb run` with ranks that are threads, from outside.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/report/page_figures.h"
#include "tools/run/dump_watch_test.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

std::vector<std::string> RunWords(const std::vector<std::string>& flags) {
  std::vector<std::string> words = {"tools/eplb", "run"};
  words.insert(words.end(), flags.begin(), flags.end());
  return words;
}

// The result of a run that must succeed and verify everything.
Json VerifiedResult(const ProgramResult& result) {
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  const Json json = Json::parse(result.standard_output, nullptr, false);
  EXPECT_TRUE(json.is_object()) << result.standard_output;
  EXPECT_EQ(json.value("weights_verified", false), true);
  EXPECT_EQ(json.value("outputs_match", false), true);
  return json;
}

// The same of a run that must also say nothing.
Json ResultOf(std::vector<std::string> flags) {
  flags.push_back("--format=json");
  const ProgramResult result = RunProcess(RunWords(flags));
  EXPECT_THAT(result.standard_error, IsEmpty());
  return VerifiedResult(result);
}

void ExpectRefused(const std::vector<std::string>& flags,
                   const std::string& sentence) {
  const ProgramResult result = RunProcess(RunWords(flags));
  EXPECT_EQ(result.exit_status, 2) << testing::PrintToString(flags);
  EXPECT_THAT(result.standard_output, IsEmpty());
  EXPECT_THAT(result.standard_error, HasSubstr(sentence));
  EXPECT_EQ(std::count(result.standard_error.begin(),
                       result.standard_error.end(), '\n'),
            1)
      << result.standard_error;
}

TEST(RunCommandTest, MakesSkewedTrafficEvenAndVerifiesEverything) {
  const Json json = ResultOf({"--steps=120", "--interval=40", "--window=40"});
  EXPECT_EQ(json["backend"], "in_process");
  EXPECT_EQ(json["num_ranks"], 8);
  EXPECT_EQ(json["steps"], 120);
  EXPECT_EQ(json["policy"], "hierarchical");
  EXPECT_EQ(json["use_async"], false);
  EXPECT_LT(json["balancedness_before"], 0.6);
  EXPECT_GT(json["balancedness_after"],
            json["balancedness_before"].get<double>() + 0.2);
  // At a quarter of the interval, and every 40 steps after.
  EXPECT_EQ(json["rearrangements"], 3);
  EXPECT_GT(json["moved_slots"], 0);
  EXPECT_EQ(json["moved_bytes"], json["moved_slots"].get<int64_t>() * 65536);
  EXPECT_GT(json["longest_stall_seconds"], 0);
  EXPECT_GE(json["total_stall_seconds"], json["longest_stall_seconds"]);
}

TEST(RunCommandTest, EveryPolicyServesUnderDrift) {
  for (const char* const policy :
       {"hierarchical", "greedy", "refined", "incremental"}) {
    SCOPED_TRACE(policy);
    const Json json = ResultOf({absl::StrCat("--policy=", policy),
                                "--traffic=lognormal:1.2,drift=0.99",
                                "--ranks=4", "--steps=60", "--interval=20",
                                "--window=20", "--nodes=2", "--groups=4"});
    EXPECT_GT(json["rearrangements"], 0);
    EXPECT_GT(json["balancedness_after"], json["balancedness_before"]);
  }
}

TEST(RunCommandTest, LayersSwitchOneByOneInTheBackground) {
  // However long the workers take for it, and then through some more lines.
  const TemporaryFolder folder;
  StartedProcess run(
      RunWords({"--async", "--steps=200000", "--interval=800", "--window=200",
                "--ranks=4", "--layers=2", "--expert_bytes=4096",
                "--format=json", "--dump_dir=" + folder.path()}));
  WaitForDump(folder.path(), kRearranged, /*more_lines=*/1);
  run.Signal(SIGINT);
  const Json json = VerifiedResult(run.Wait());
  EXPECT_EQ(json["use_async"], true);
  EXPECT_GT(json["rearrangements"], 0);
  EXPECT_GT(json["moved_slots"], 0);
  EXPECT_GT(json["balancedness_after"],
            json["balancedness_before"].get<double>() + 0.1);
}

TEST(RunCommandTest, FlagsReachTheBalancer) {
  // Nothing promises a gain of 1.
  EXPECT_EQ(ResultOf({"--steps=20", "--interval=8", "--ranks=2",
                      "--min_balancedness_gain=1"})["rearrangements"],
            0);
  const std::vector<std::string> flags = {"--steps=30", "--interval=12",
                                          "--window=12", "--ranks=2",
                                          "--traffic=lognormal:1,drift=0.5"};
  const auto moved_with = [&](const std::string& flag) {
    std::vector<std::string> all = flags;
    all.push_back(flag);
    return ResultOf(all)["moved_slots"].get<int64_t>();
  };
  const int64_t moved = moved_with("--load_decay=1");
  EXPECT_NE(moved_with("--load_decay=0.01"), moved);
  EXPECT_EQ(moved_with("--verify_checksums"), moved);
  // Few experts at a time, and less than one.
  EXPECT_EQ(moved_with("--staging_bytes=70000"), moved);
  EXPECT_EQ(moved_with("--switch_bytes_per_step=10000000"), moved);
  const ProgramResult too_small = RunProcess(RunWords(
      {"--steps=30", "--interval=8", "--ranks=2", "--staging_bytes=1000"}));
  EXPECT_EQ(too_small.exit_status, 2);
  EXPECT_THAT(too_small.standard_error,
              HasSubstr("staging_bytes is 1000; one expert needs"));
}

TEST(RunCommandTest, ReplaysRecordedLoads) {
  const Json json =
      ResultOf({"--traffic=file:testing/data/gptoss20b_domain_counts.npy",
                "--redundant=8", "--ranks=4", "--steps=30", "--interval=10",
                "--window=10", "--expert_bytes=4096", "--tokens=16"});
  EXPECT_GT(json["moved_slots"], 0);
}

TEST(RunCommandTest, OddSizesWork) {
  ResultOf({"--ranks=1", "--redundant=0", "--steps=10", "--interval=4"});
  ResultOf({"--ranks=3", "--experts=7", "--redundant=2", "--layers=1",
            "--expert_bytes=1031", "--tokens=1", "--steps=20", "--interval=4",
            "--traffic=uniform"});
  ResultOf({"--ranks=3", "--experts=7", "--redundant=auto", "--layers=1",
            "--steps=20", "--interval=4"});
}

TEST(RunCommandTest, TheSameSeedMovesTheSame) {
  const std::vector<std::string> flags = {"--steps=60", "--interval=20",
                                          "--seed=7", "--ranks=4"};
  const Json first = ResultOf(flags);
  const Json second = ResultOf(flags);
  for (const char* const field :
       {"balancedness_before", "balancedness_after", "rearrangements",
        "moved_slots", "moved_bytes"}) {
    EXPECT_EQ(first[field], second[field]) << field;
  }
}

TEST(RunCommandTest, TextEndsWithWhatWasVerified) {
  const ProgramResult result = RunProcess(
      RunWords({"--steps=30", "--interval=10", "--ranks=2", "--layers=2"}));
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_THAT(result.standard_error, IsEmpty());
  EXPECT_THAT(result.standard_output,
              AllOf(HasSubstr("balancedness before"),
                    HasSubstr("\nweights verified: yes ("),
                    HasSubstr("\noutputs match: yes (3840 tokens)\n")));
}

TEST(RunCommandTest, WritesADumpThatInspectReads) {
  const TemporaryFolder folder;
  ResultOf({"--steps=30", "--interval=10", "--ranks=2",
            absl::StrCat("--dump_dir=", folder.path())});
  const ProgramResult inspected =
      RunProcess({"tools/eplb", "inspect",
                  folder.PathOf("run_expert_load.jsonl"), "--format=json"});
  ASSERT_EQ(inspected.exit_status, 0) << inspected.standard_error;
  const Json json = Json::parse(inspected.standard_output);
  EXPECT_EQ(json["kind"], "load_dump");
  EXPECT_EQ(json["world_size"], 2);
  EXPECT_EQ(json["num_physical_experts"], 80);
}

TEST(RunCommandTest, WritesATraceOfItsRearrangements) {
  const TemporaryFolder folder;
  const Json result = ResultOf({"--steps=30", "--interval=10", "--ranks=2",
                                "--trace_out=" + folder.PathOf("trace.json")});
  const Json trace = Json::parse(folder.Read("trace.json"));
  int moved_slots = 0;
  int spans = 0;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.value("ph", "") != "X") continue;
    ++spans;
    moved_slots += event.at("args").value("moved_slots", 0);
  }
  EXPECT_EQ(spans, result["rearrangements"]);
  EXPECT_EQ(moved_slots, result["moved_slots"]);
}

TEST(RunCommandTest, WritesAReportOfWhatItPrints) {
  const TemporaryFolder folder;
  const Json result = ResultOf({"--steps=30", "--interval=10", "--ranks=2",
                                "--report=" + folder.PathOf("report.html")});
  const std::string page = folder.Read("report.html");
  const Json figures = PageFigures(page);
  EXPECT_NEAR(figures.at("balancedness_after"),
              result["balancedness_after"].get<double>(), 1e-5);
  EXPECT_EQ(figures.at("rearrangements").size(), result["rearrangements"]);
  EXPECT_THAT(page, HasSubstr("hierarchical on 2 ranks"));
  const Json& totals = figures.at("totals");
  for (const char* const field :
       {"rearrangements", "moved_slots", "moved_bytes", "longest_stall_seconds",
        "total_stall_seconds"}) {
    EXPECT_EQ(totals.at(field), result[field]) << field;
  }
  EXPECT_GT(totals.at("mean_plan_seconds"), 0);
  EXPECT_GT(figures.at("rearrangements")[0].at("stall_seconds"),
            figures.at("rearrangements")[0].at("plan_seconds"));
}

TEST(RunCommandTest, AReportOfADumpHasTheTimesOfTheRun) {
  const TemporaryFolder folder;
  const Json result = ResultOf({"--steps=30", "--interval=10", "--ranks=2",
                                "--dump_dir=" + folder.path()});
  const ProgramResult report =
      RunProcess({"tools/eplb", "report",
                  "--input=" + folder.PathOf("run_expert_load.jsonl"),
                  "--output=" + folder.PathOf("report.html")});
  ASSERT_EQ(report.exit_status, 0) << report.standard_error;
  const Json totals = PageFigures(folder.Read("report.html")).at("totals");
  for (const char* const field :
       {"rearrangements", "moved_slots", "moved_bytes"}) {
    EXPECT_EQ(totals.at(field), result[field]) << field;
  }
  EXPECT_GT(totals.at("mean_plan_seconds"), 0);
  EXPECT_GT(totals.at("longest_stall_seconds"), 0);
  EXPECT_LE(totals.at("total_stall_seconds"), result["total_stall_seconds"]);
}

TEST(RunCommandTest, AFileThatCannotBeWrittenIsSaidBeforeTheWork) {
  const TemporaryFolder folder;
  for (const char* const flag : {"--report=", "--trace_out="}) {
    ExpectRefused({"--steps=1000000", flag + folder.PathOf("no/file")},
                  "NOT_FOUND: " + folder.PathOf("no/file"));
  }
}

TEST(RunCommandTest, ALateFailureOfAFileLeavesTheResult) {
  const TemporaryFolder folder;
  const std::string place = folder.PathOf("place");
  ASSERT_TRUE(std::filesystem::create_directory(place));
  StartedProcess run(
      RunWords({"--steps=1000000", "--ranks=2", "--dump_dir=" + folder.path(),
                "--report=" + place + "/report.html"}));
  WaitForDump(folder.path());
  std::filesystem::remove_all(place);
  run.Signal(SIGINT);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.standard_output, HasSubstr("weights verified: yes"));
  EXPECT_THAT(result.standard_error,
              HasSubstr("NOT_FOUND: " + place + "/report.html: cannot write"));
}

TEST(RunCommandTest, AnInterruptEndsTheRunAtAStepOfAllRanks) {
  const TemporaryFolder folder;
  StartedProcess run(RunWords({"--steps=1000000", "--ranks=4",
                               absl::StrCat("--dump_dir=", folder.path())}));
  WaitForDump(folder.path());
  run.Signal(SIGINT);
  const ProgramResult result = run.Wait();
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, HasSubstr("stopped after "));
  EXPECT_THAT(result.standard_output, HasSubstr("weights verified: yes"));
}

TEST(RunCommandTest, ATerminalSeesHowFarTheRunIs) {
  constexpr char kScript[] = "/usr/bin/script";
  if (access(kScript, X_OK) != 0) GTEST_SKIP() << "no script here";
  const ProgramResult result =
      RunProcess({kScript, "--quiet", "--return", "--command",
                  "tools/eplb run --steps=20 --interval=8 --ranks=2 --layers=1",
                  "/dev/null"},
                 {.environment = {"TERM=xterm"}});
  EXPECT_EQ(result.exit_status, 0) << result.standard_output;
  // Each line takes the place of the one before, and the last one goes.
  EXPECT_THAT(result.standard_output,
              AllOf(HasSubstr("step 1 of 20, balancedness 0."),
                    HasSubstr("\r\x1b[Kstep 20 of 20, balancedness 0."),
                    HasSubstr(", next rearrangement in "),
                    ContainsRegex(" slots moved\r\x1b\\[K[^\r]*ranks  ")));
}

TEST(RunCommandTest, WhatCannotBeIsRefusedInOneLine) {
  ExpectRefused({"--ranks=7"}, "--redundant=16 on 7 ranks");
  ExpectRefused({"--nodes=3"}, "--ranks=8");
  ExpectRefused({"--groups=5"}, "--groups=5");
  ExpectRefused({"--policy=gredy"}, "did you mean greedy");
  ExpectRefused({"--traffic=zip:1"}, "zip:1");
  ExpectRefused({"--traffic=file:none.npy"}, "none.npy");
  ExpectRefused({"--expert_bytes=100"}, "[1024, ");
  ExpectRefused({"--min_balancedness_gain=-0.1"}, "a number in [0, 1]");
  ExpectRefused({"--load_decay=0"}, "a number above 0 and at most 1");
  ExpectRefused({"--staging_bytes=-1"}, "--staging_bytes");
  ExpectRefused({"--transfer_bytes_per_step=0"}, "--transfer_bytes_per_step");
  ExpectRefused({"--switch_bytes_per_step=-1"}, "--switch_bytes_per_step");
  ExpectRefused({"--layers=4096", "--expert_bytes=2147483647"},
                "RESOURCE_EXHAUSTED: the weights of 8 ranks take 640.2 TiB");
  ExpectRefused({"--spawn"}, "--spawn: needs --backend=gloo");
  ExpectRefused({"--backend=glo"}, "did you mean gloo");
  ExpectRefused({"--backend=gloo"}, "--spawn");
  ExpectRefused({"--backend=gloo", "--rank=0", "--world_size=2"},
                "--rendezvous");
  ExpectRefused({"--backend=gloo", "--rank=0", "--world_size=2",
                 "--rendezvous=file:///tmp", "--listen=0.0.0.0"},
                "--listen_any");
}

TEST(RunCommandTest, ALauncherThatIsNotListenedToIsMentioned) {
  const ProgramResult result =
      RunProcess(RunWords({"--steps=2", "--ranks=2", "--layers=1"}),
                 {.environment = {"RANK=0", "WORLD_SIZE=4"}});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_THAT(result.standard_error,
              AllOf(HasSubstr("torchrun"), HasSubstr("--backend=gloo")));
}

}  // namespace
}  // namespace eplb
