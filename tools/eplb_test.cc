// Runs the real `eplb` as a process.

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::ordered_json;

constexpr char kRealCounts[] = "testing/data/gptoss20b_domain_counts.npy";

ProgramResult Eplb(std::vector<std::string> words,
                   const ProcessOptions& options = {}) {
  words.insert(words.begin(), "tools/eplb");
  return RunProcess(words, options);
}

// Runs a command that must succeed and say nothing beside its results.
std::string Results(const std::vector<std::string>& words) {
  const ProgramResult result = Eplb(words);
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_error, IsEmpty());
  return result.standard_output;
}

Json ResultObject(std::vector<std::string> words) {
  words.push_back("--format=json");
  return Json::parse(Results(words));
}

// Runs a command that must fail with status 2, one line, and no results.
void ExpectBadInput(const std::vector<std::string>& words,
                    absl::string_view code, absl::string_view message) {
  SCOPED_TRACE(testing::PrintToString(words));
  const ProgramResult result = Eplb(words);
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.standard_output, IsEmpty());
  EXPECT_THAT(result.standard_error,
              StartsWith(absl::StrCat("eplb: ", code, ": ")));
  EXPECT_THAT(result.standard_error, HasSubstr(std::string(message)));
  EXPECT_EQ(std::count(result.standard_error.begin(),
                       result.standard_error.end(), '\n'),
            1)
      << result.standard_error;
}

class EplbTest : public ::testing::Test {
 protected:
  // The words of a plan over a file of this content.
  std::vector<std::string> Plan(absl::string_view content,
                                const std::string& name = "loads.json",
                                int slots = 4, int ranks = 2) {
    return {"plan", "--loads=" + folder_.Write(name, content),
            absl::StrCat("--slots=", slots), absl::StrCat("--ranks=", ranks)};
  }

  // The words of a good plan, and more.
  std::vector<std::string> PlanWith(const std::vector<std::string>& more) {
    std::vector<std::string> words = Plan("[[5, 1, 2]]");
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  TemporaryFolder folder_;
};

TEST_F(EplbTest, PlanGivesTheExactPlacements) {
  std::ifstream file("testing/data/vectors.json");
  const Json vectors = Json::parse(file);
  int cases = 0;
  for (const Json& vector : vectors.at("cases")) {
    if (!vector.contains("policy")) continue;
    SCOPED_TRACE(vector.at("name"));
    ++cases;
    const auto number = [&](const char* name) {
      return absl::StrCat(vector.at(name).get<int>());
    };
    const Json plan = ResultObject(
        {"plan",
         "--loads=" + folder_.Write("loads.json", vector.at("loads").dump()),
         "--slots=" + number("slots"), "--ranks=" + number("ranks"),
         "--nodes=" + number("nodes"), "--groups=" + number("groups"),
         "--policy=" + vector.at("policy").get<std::string>()});
    EXPECT_EQ(plan.at("physical_to_logical_map"),
              vector.at("physical_to_logical_map"));
    EXPECT_EQ(plan.at("logical_replica_count"),
              vector.at("logical_replica_count"));
  }
  EXPECT_GE(cases, 1);
}

TEST_F(EplbTest, PlanPrintsTheContractsFieldsInTheirOrder) {
  const Json plan =
      ResultObject({"plan", absl::StrCat("--loads=", kRealCounts), "--slots=40",
                    "--ranks=8", "--nodes=2", "--groups=4", "--policy=greedy"});
  std::vector<std::string> names;
  for (const auto& field : plan.items()) names.push_back(field.key());
  EXPECT_THAT(
      names,
      ElementsAre("format", "policy", "num_layers", "num_logical_experts",
                  "num_physical_experts", "num_ranks", "num_nodes",
                  "num_groups", "physical_to_logical_map",
                  "logical_replica_count", "layers", "balancedness",
                  "worst_balancedness", "moved_slots", "plan_seconds"));
  EXPECT_EQ(plan["format"], "eplb.placement/1");
  EXPECT_EQ(plan["num_layers"], 24);
  EXPECT_EQ(plan["num_groups"], 4);
  ASSERT_EQ(plan["layers"].size(), 24u);
  double sum = 0;
  for (const Json& layer : plan["layers"]) {
    EXPECT_LE(layer["balancedness"], layer["bound"]);
    EXPECT_EQ(layer["moved_slots"], 0);
    EXPECT_GE(layer["duplicate_slots"], 0);
    sum += layer["balancedness"].get<double>();
  }
  EXPECT_NEAR(plan["balancedness"], sum / 24, 1e-12);
  EXPECT_GT(plan["plan_seconds"], 0);
}

TEST_F(EplbTest, PlanIsTheSameOnAnyNumberOfThreads) {
  const std::vector<std::string> words = {
      "plan", absl::StrCat("--loads=", kRealCounts), "--slots=40", "--ranks=8"};
  std::vector<std::string> threaded = words;
  threaded.push_back("--threads=3");
  EXPECT_EQ(ResultObject(words)["physical_to_logical_map"],
            ResultObject(threaded)["physical_to_logical_map"]);
}

TEST_F(EplbTest, PlanWritesAFileThatTheNextPlanStartsFrom) {
  const std::string output = folder_.PathOf("plan.json");
  const Json first = ResultObject(PlanWith({"--output=" + output}));
  EXPECT_EQ(Json::parse(folder_.Read("plan.json")), first);
  const Json second = ResultObject(PlanWith({"--current=" + output}));
  EXPECT_EQ(second["moved_slots"], 0);
  EXPECT_EQ(second["physical_to_logical_map"],
            first["physical_to_logical_map"]);
}

TEST_F(EplbTest, PlanLeavesInactiveRanksEmpty) {
  const Json plan = ResultObject(Plan("[[5, 1, 2]]", "loads.json", 9, 3));
  EXPECT_NE(plan["physical_to_logical_map"][0][3], -1);
  std::vector<std::string> words = Plan("[[5, 1, 2]]", "loads.json", 9, 3);
  words.push_back("--inactive_ranks=1");
  const Json without = ResultObject(words);
  for (const int slot : {3, 4, 5}) {
    EXPECT_EQ(without["physical_to_logical_map"][0][slot], -1);
  }
}

TEST_F(EplbTest, PlanPrintsATableWithoutColorWhereThereIsNoTerminal) {
  const std::string text = Results(PlanWith({}));
  EXPECT_THAT(text, HasSubstr("policy        hierarchical\n"));
  EXPECT_THAT(text, HasSubstr("balancedness"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(EplbTest, PlanWarnsBesideItsResults) {
  const std::string line =
      R"({"world_size":1,"num_logical_experts":3,"window_expert_load":)"
      R"([[1,2,3]],"physical_to_logical_map":[[0,1,2]]})";
  const ProgramResult result = Eplb(Plan(line + "\n{\"mod", "d.jsonl"));
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_THAT(result.standard_output, HasSubstr("balancedness"));
  EXPECT_THAT(result.standard_error, StartsWith("eplb: warning: "));
  EXPECT_THAT(result.standard_error, HasSubstr("d.jsonl: line 2: left out"));
}

TEST_F(EplbTest, PlanRefusesSizesThatDoNotDivide) {
  const auto refuses = [&](const std::vector<std::string>& words,
                           absl::string_view code, absl::string_view message) {
    ExpectBadInput(words, code, message);
  };
  constexpr char kLoads[] = "[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]";
  refuses(Plan(kLoads, "l.json", 17, 8), "INVALID_ARGUMENT",
          "--slots=17: does not divide by --ranks=8; the nearest number that "
          "does is 16");
  refuses(Plan(kLoads, "l.json", 13, 8), "INVALID_ARGUMENT", "does is 16");
  refuses(Plan(kLoads, "l.json", 8, 8), "RESOURCE_EXHAUSTED",
          "--slots=8: the 12 experts of");
  const auto with = [&](int slots, int ranks, const std::string& flag) {
    std::vector<std::string> words = Plan(kLoads, "l.json", slots, ranks);
    words.push_back(flag);
    return words;
  };
  refuses(with(18, 9, "--nodes=2"), "INVALID_ARGUMENT",
          "--ranks=9: does not divide by --nodes=2; the nearest number that "
          "does is 8");
  refuses(with(16, 8, "--groups=5"), "INVALID_ARGUMENT", "does is 4");
  refuses(with(16, 8, "--inactive_ranks=8"), "INVALID_ARGUMENT",
          "--inactive_ranks: inactive rank 8 is not in [0, 8)");
  refuses(with(16, 8, "--inactive_ranks=0,1,2"), "RESOURCE_EXHAUSTED",
          "12 logical experts need one each");
}

TEST_F(EplbTest, PlanRefusesAnUnknownPolicy) {
  ExpectBadInput(PlanWith({"--policy=hierarchcal"}), "NOT_FOUND",
                 "did you mean hierarchical?");
  ExpectBadInput(PlanWith({"--policy=best"}), "NOT_FOUND",
                 "greedy, hierarchical");
}

TEST_F(EplbTest, PlanRefusesBadLoads) {
  const struct {
    const char* name;
    std::string content;
    const char* message;
  } cases[] = {
      {"l.json", "[[1, 2, -4]]", "layer 0, expert 2: negative load -4"},
      {"l.json", "[[1, 2], [3]]", "layer 1: 1 experts, but 2"},
      {"l.json", "[[1, NaN, 3]]", "not JSON"},
      {"l.json", "[[1, 1e17, 3]]", "load 1e+17 is more than"},
      {"l.json", "[]", "an empty array"},
      {"l.json", "[[1, 2", "the JSON ends too early"},
      {"l.json", R"({"logical_count":[[1]],"logical_count":[[1]]})",
       "is there twice"},
      {"l.json", "", "the file is empty"},
      {"l.csv", "layer_id,expert_id,count\n0,0,1\n0,2,1\n",
       "layer 0, expert 1 is missing"},
      {"l.csv", "layer_id,expert_id,count\n0,0,inf\n", "not a finite number"},
      {"l.npy", "\x93NUMPY", "npy header: the file ends inside it"},
      {"p.json", R"({"format":"eplb.placement/1"})", "is a placement"},
      {"l.bin", "?", "neither content nor name"},
  };
  for (const auto& c : cases) {
    ExpectBadInput(Plan(c.content, c.name), "INVALID_ARGUMENT", c.message);
    // What is a placement is none for plan alone.
    if (absl::string_view(c.name) == "p.json") continue;
    ExpectBadInput({"inspect", folder_.PathOf(c.name)}, "INVALID_ARGUMENT",
                   c.message);
  }
}

// A .npy file whose header is `dictionary`.
std::string Npy(const std::string& dictionary, absl::string_view data) {
  const size_t size = dictionary.size();
  return absl::StrCat(absl::string_view("\x93NUMPY\x01\x00", 8),
                      std::string(1, static_cast<char>(size % 256)),
                      std::string(1, static_cast<char>(size / 256)), dictionary,
                      data);
}

std::string NpyHeader(absl::string_view type, absl::string_view fortran_order,
                      absl::string_view shape) {
  return absl::StrCat("{'descr': '", type,
                      "', 'fortran_order': ", fortran_order,
                      ", 'shape': ", shape, ", }\n");
}

TEST_F(EplbTest, PlanAndInspectRefuseBadNpyFiles) {
  const std::string eight_bytes(8, '\0');
  const struct {
    std::string content;
    const char* message;
  } cases[] = {
      {Npy(NpyHeader("<c8", "False", "(1, 1)"), eight_bytes),
       "descr '<c8' is no type of loads"},
      {Npy(NpyHeader(">i4", "False", "(1, 2)"), eight_bytes),
       "descr '>i4' is big-endian"},
      {Npy(NpyHeader("<i4", "True", "(1, 2)"), eight_bytes),
       "the array is in Fortran order"},
      {Npy("{'descr': __import__('os').system('true'), }\n", eight_bytes),
       "expected"},
      {Npy(NpyHeader("<i4", "False", "(-1, 2)"), eight_bytes), "npy header"},
      {Npy(NpyHeader("<i4", "False", "(4611686018427387904, 4)"), eight_bytes),
       "overflows"},
      {Npy(NpyHeader("<i8", "False", "(40000, 32000)"), eight_bytes),
       "needs 10240000000 bytes of data; the file has 8"},
      {Npy(NpyHeader("<f8", "False", "(1, 1)"),
           absl::string_view("\0\0\0\0\0\0\xf8\x7f", 8)),
       "layer 0, expert 0"},
      {Npy(NpyHeader("<i4", "False", "(1, 2)"), "\1"), "the file has 1"},
  };
  for (const auto& c : cases) {
    ExpectBadInput(Plan(c.content, "l.npy"), "INVALID_ARGUMENT", c.message);
    ExpectBadInput({"inspect", folder_.PathOf("l.npy")}, "INVALID_ARGUMENT",
                   c.message);
  }
}

TEST_F(EplbTest, EveryPolicyPlansALayeredModel) {
  // DeepSeek-R1: the k-th expert of a layer, turned by the layer, gets 1/k.
  std::string csv = "layer_id,expert_id,count\n";
  for (int layer = 0; layer < 58; ++layer) {
    for (int expert = 0; expert < 256; ++expert) {
      absl::StrAppend(&csv, layer, ",", expert, ",",
                      1000000 / (1 + (expert + 7 * layer) % 256), "\n");
    }
  }
  for (const char* policy :
       {"hierarchical", "greedy", "refined", "incremental"}) {
    std::vector<std::string> words = Plan(csv, "l.csv", 288, 32);
    words.push_back(absl::StrCat("--policy=", policy));
    const Json plan = ResultObject(words);
    EXPECT_EQ(plan["layers"].size(), 58u);
    EXPECT_GE(plan["worst_balancedness"], 0.95) << policy;
  }
}

TEST_F(EplbTest, PlanRefusesBadPlacements) {
  const auto current = [&](absl::string_view map, int ranks) {
    return PlanWith(
        {"--current=" +
         folder_.Write(
             "current.json",
             absl::StrCat(R"({"format":"eplb.placement/1",)",
                          R"("num_logical_experts":3,"num_ranks":)", ranks,
                          R"(,"physical_to_logical_map":)", map, "}"))});
  };
  ASSERT_EQ(Eplb(current("[[0,1,2,0]]", 2)).exit_status, 0);
  const struct {
    const char* map;
    int ranks;
    const char* message;
  } cases[] = {
      {"[[0,1,2,3]]", 2, "layer 0, slot 3: expert 3 is neither -1 nor in"},
      {"[[0,1,0,0]]", 2, "layer 0: expert 2 has no slot"},
      {"[[0,1,2,0],[0,1,2]]", 2, "layer 1: 3 slots, but 4"},
      {"[[0,1,2,0],[0,1,2,0]]", 2, "has 2 layers; the plan is for 1"},
      {"[[0,1,2,0,1,2]]", 2, "has 6 slots per layer; the plan is for 4"},
      {"[[0,1,2,0]]", 4, "has 4 ranks; the plan is for 2"},
  };
  for (const auto& c : cases) {
    ExpectBadInput(current(c.map, c.ranks), "INVALID_ARGUMENT", c.message);
  }
}

TEST_F(EplbTest, RefusesWrongUsage) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{}, "no command is given"},
      {{"paln"}, "unknown command 'paln'; did you mean plan?"},
      {{"plan", "--slot=4"}, "unknown flag --slot; did you mean --slots?"},
      {{"plan", "--slots=abc"}, "--slots=abc: must be an integer"},
      {{"plan", "--slots="}, "--slots=: must be an integer"},
      {{"plan", "--slots=-3"}, "--slots=-3: must be an integer in [1, "},
      {{"plan", "--slots=99999999999"}, "--slots=99999999999: must be"},
      {{"plan", "--slots=4", "--slots=4"}, "--slots is given twice"},
      {{"plan", "--ranks=4", "x.npy"}, "unexpected argument 'x.npy'"},
      {{"plan", "--slots=4", "--ranks=2"}, "--loads=FILE is missing"},
      {{"plan", "--format=xml"}, "must be one of text, json"},
      {{"plan", "--target_balancedness=nan"}, "must be a number above 0"},
      {{"inspect"}, "FILE is missing"},
      {{"inspect", "a", "b"}, "unexpected argument 'b'"},
  };
  for (const auto& c : cases) {
    ExpectBadInput(c.words, "INVALID_ARGUMENT", c.message);
  }
}

TEST_F(EplbTest, RefusesFilesThatCannotBeReadOrWritten) {
  ExpectBadInput({"inspect", folder_.PathOf("none")}, "NOT_FOUND",
                 "none: cannot open: No such file");
  ExpectBadInput({"inspect", folder_.path()}, "INVALID_ARGUMENT",
                 "is a folder");
  const std::string pipe = folder_.PathOf("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  ExpectBadInput({"inspect", pipe}, "INVALID_ARGUMENT", "only regular files");
  ExpectBadInput(PlanWith({"--output=" + folder_.PathOf("no/plan.json")}),
                 "NOT_FOUND", "no/plan.json: cannot write");
  ExpectBadInput({"inspect", "a\nb"}, "NOT_FOUND", "a\\nb: cannot open");
}

TEST_F(EplbTest, TellsWhenItsResultsCannotBeWritten) {
  const ProgramResult result = Eplb({"help"}, {.output_file = "/dev/full"});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_EQ(result.standard_error,
            "eplb: RESOURCE_EXHAUSTED: standard output: cannot write: No space "
            "left on device\n");
}

TEST_F(EplbTest, TakesPathsFromWhereTheCallerOfBazelRunStands) {
  folder_.Write("here.json", "[[1, 2]]");
  const ProgramResult result =
      Eplb({"inspect", "here.json"},
           {.environment = {"BUILD_WORKING_DIRECTORY=" + folder_.path()}});
  EXPECT_EQ(result.exit_status, 0) << result.standard_error;
  EXPECT_THAT(result.standard_output, StartsWith("here.json: recorded loads"));
}

TEST_F(EplbTest, InspectSummarisesLoads) {
  const Json loads = ResultObject({"inspect", kRealCounts});
  EXPECT_EQ(loads["kind"], "loads");
  EXPECT_EQ(loads["file_format"], "npy");
  EXPECT_EQ(loads["num_steps"], 291);
  EXPECT_EQ(loads["num_layers"], 24);
  EXPECT_EQ(loads["num_logical_experts"], 32);
  EXPECT_EQ(loads["layers"][22]["hottest_experts"], Json({25, 18, 8}));
  EXPECT_NEAR(loads["max_over_mean"], 4.48, 0.01);
  EXPECT_THAT(Results({"inspect", kRealCounts}),
              HasSubstr("the 12 most uneven of 24 layers\n"));
}

TEST_F(EplbTest, InspectSummarisesPlacements) {
  const std::string plan = folder_.PathOf("plan.json");
  Results(PlanWith({"--output=" + plan}));
  const Json placement = ResultObject({"inspect", plan});
  EXPECT_EQ(placement["kind"], "placement");
  EXPECT_EQ(placement["policy"], "hierarchical");
  EXPECT_EQ(placement["num_physical_experts"], 4);
  EXPECT_EQ(placement["layers"][0]["most_replicas"], 2);
  EXPECT_EQ(placement["layers"][0]["empty_slots"], 0);
  EXPECT_THAT(Results({"inspect", plan}),
              HasSubstr("plan.json: a placement\n"));
}

TEST_F(EplbTest, InspectSummarisesDumps) {
  const std::string line =
      R"({"model_name":"m","world_size":2,"num_logical_experts":3,)"
      R"("window_size":10,"step":20,"window_expert_load":[[1,2,1,0]],)"
      R"("physical_to_logical_map":[[0,1,2,1]]})";
  const std::string name = folder_.Write("m.jsonl", line + "\n" + line + "\n");
  const Json dump = ResultObject({"inspect", name});
  EXPECT_EQ(dump["kind"], "load_dump");
  EXPECT_EQ(dump["model_name"], "m");
  EXPECT_EQ(dump["num_steps"], 2);
  EXPECT_EQ(dump["world_size"], 2);
  EXPECT_EQ(dump["last_step"], 20);
  EXPECT_NEAR(dump["balancedness"], 2.0 / 3, 1e-12);
  EXPECT_EQ(dump["layers"][0]["total_load"], 8);
  EXPECT_THAT(Results({"inspect", name}), HasSubstr("a load dump"));
}

TEST_F(EplbTest, HelpGoesToStandardOutput) {
  EXPECT_THAT(Results({"help"}), HasSubstr("  checks and summarises a file\n"));
  EXPECT_THAT(Results({"help", "plan"}), HasSubstr("--loads=FILE"));
}

}  // namespace
}  // namespace eplb
