#include "tools/house/include_check.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/house/plan.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> Check(const std::string& path,
                               const std::string& text) {
  return CheckIncludes(HousePlan(), {{path, text}});
}

TEST(IncludeCheckTest, PrintsTheArrowOfAnIncludeFromAbove) {
  EXPECT_THAT(Check("policies/x.cc",
                    "#include <vector>\n\n#include \"eplb/state/y.h\"\n"),
              ElementsAre("policies/x.cc:3: policies -> eplb/state "
                          "(policies/x.cc includes \"eplb/state/y.h\"); "
                          "policies may include: eplb/core"));
}

TEST(IncludeCheckTest, RefusesNeighbours) {
  for (const std::string header :
       {"collectives/communicator.h", "kernels/device.h"}) {
    EXPECT_THAT(Check("policies/x.cc", "#include \"" + header + "\"\n"),
                ElementsAre(HasSubstr("policies -> ")))
        << header;
  }
  EXPECT_THAT(Check("eplb/load/x.cc", "#include \"eplb/shuffle/y.h\"\n"),
              ElementsAre(HasSubstr("eplb/load -> eplb/shuffle")));
  EXPECT_THAT(Check("benchmarks/x.cc", "#include \"tools/y.h\"\n"),
              ElementsAre(HasSubstr("benchmarks -> tools")));
}

TEST(IncludeCheckTest, AllowsTheRoomItselfAndTheRoomsBelow) {
  EXPECT_THAT(Check("eplb/state/x.cc",
                    "#include \"absl/status/status.h\"\n"
                    "#include \"eplb/core/placement.h\"\n"
                    "#include \"eplb/shuffle/transfer_plan.h\"\n"
                    "#include \"eplb/state/eplb_config.h\"\n"
                    "#include \"kernels/cpu/cpu_device.h\"\n"
                    "#include \"policies/greedy.h\"\n"),
              IsEmpty());
}

TEST(IncludeCheckTest, KnowsTheSuffixesOfTheHouse) {
  for (const std::string name : {"x.cc", "x.cu"}) {
    EXPECT_THAT(Check("policies/" + name, ""), IsEmpty()) << name;
  }
  for (const std::string name : {"x.cpp", "x.hpp", "x.inc", "x.c"}) {
    EXPECT_THAT(Check("policies/" + name, ""),
                ElementsAre("policies/" + name +
                            ": sources end in .h, .cc, .cu or .cuh"));
  }
  EXPECT_THAT(Check("third_party/x.cpp", ""), IsEmpty());
}

TEST(IncludeCheckTest, FindsIncludesHoweverTheyAreSpaced) {
  EXPECT_THAT(Check("policies/x.cc", "  #  include<eplb/state/y.h>\n"),
              ElementsAre(HasSubstr("policies -> eplb/state")));
}

TEST(IncludeCheckTest, OnlyTestsAndBenchmarksIncludeTesting) {
  const std::string include = "#include \"testing/fake_clock.h\"\n";
  EXPECT_THAT(Check("policies/greedy.cc", include),
              ElementsAre(HasSubstr("policies -> testing")));
  EXPECT_THAT(Check("policies/greedy_test.cc", include), IsEmpty());
  EXPECT_THAT(Check("policies/greedy_benchmark.cc", include), IsEmpty());
  EXPECT_THAT(Check("benchmarks/plan.cc", include), IsEmpty());
}

TEST(IncludeCheckTest, ToolsIncludeOfTestingTheTrafficAlone) {
  EXPECT_THAT(Check("tools/simulate.cc", "#include \"testing/traffic.h\"\n"),
              IsEmpty());
  EXPECT_THAT(Check("tools/simulate.cc", "#include \"testing/fake_clock.h\"\n"),
              ElementsAre(HasSubstr("tools -> testing")));
}

TEST(IncludeCheckTest, CoreIncludesOnlyAbseilAndTheStandardLibrary) {
  for (const std::string header :
       {"<unistd.h>", "<glog/logging.h>", "\"nlohmann/json.hpp\"",
        "\"policies/greedy.h\""}) {
    EXPECT_THAT(Check("eplb/core/x.cc", "#include " + header + "\n"),
                ElementsAre(HasSubstr("eplb/core -> ")))
        << header;
  }
  EXPECT_THAT(Check("eplb/core/x.cc", "#include <vector>\n"), IsEmpty());
  EXPECT_THAT(Check("eplb/core/x_test.cc", "#include \"nlohmann/json.hpp\"\n"),
              IsEmpty());
}

TEST(IncludeCheckTest, KeepsLibrariesInTheirPlaces) {
  struct Case {
    std::string header, allowed, refused;
  };
  for (const Case& c : {
           Case{"cuda_runtime.h", "kernels/cuda/fill.cu", "kernels/device.cc"},
           Case{"cub/cub.cuh", "kernels/cuda/fill.cu", "eplb/load/x.cc"},
           Case{"nccl.h", "collectives/nccl_api.cc", "collectives/checked.cc"},
           Case{"gloo/context.h", "collectives/gloo.cc", "eplb/state/x.cc"},
           Case{"glog/logging.h", "eplb/state/x.cc", "eplb/state/x.cuh"},
           Case{"nlohmann/json.hpp", "eplb/load/dump.cc", "policies/x.cc"},
           Case{"gtest/gtest.h", "policies/x_test.cc", "policies/x.cc"},
           Case{"benchmark/benchmark.h", "benchmarks/x.cc", "tools/x.cc"},
       }) {
    const std::string include = "#include <" + c.header + ">\n";
    EXPECT_THAT(Check(c.allowed, include), IsEmpty()) << c.header;
    EXPECT_THAT(Check(c.refused, include),
                ::testing::Contains(HasSubstr("\"" + c.header + "\"")))
        << c.header;
  }
}

TEST(IncludeCheckTest, RefusesAHeaderWithoutItsPath) {
  EXPECT_THAT(Check("policies/greedy.cc", "#include \"greedy.h\"\n"),
              ElementsAre(HasSubstr("by their path from the root")));
}

TEST(IncludeCheckTest, SaysWhereToAddAnUnknownRoom) {
  for (const std::string path : {"common/x.cc", "eplb/utils/x.cc", "main.cc"}) {
    EXPECT_THAT(Check(path, ""), ElementsAre(HasSubstr("tools/house/plan.h")))
        << path;
  }
}

TEST(IncludeCheckTest, WantsTheIncludeGuardOfThePath) {
  const auto header = [](const std::string& guard) {
    return "#ifndef " + guard + "\n#define " + guard + "\n#endif\n";
  };
  EXPECT_THAT(Check("policies/greedy.h", header("EPLB_POLICIES_GREEDY_H_")),
              IsEmpty());
  EXPECT_THAT(Check("eplb/core/clock.h", header("EPLB_CORE_CLOCK_H_")),
              IsEmpty());
  EXPECT_THAT(
      Check("kernels/cuda/scan.cuh", header("EPLB_KERNELS_CUDA_SCAN_CUH_")),
      IsEmpty());
  EXPECT_THAT(Check("policies/refined.h", header("EPLB_POLICIES_GREEDY_H_")),
              ElementsAre("policies/refined.h: the include guard must be "
                          "EPLB_POLICIES_REFINED_H_"));
  EXPECT_THAT(Check("policies/refined.h", "#pragma once\n"),
              ElementsAre(HasSubstr("must be EPLB_POLICIES_REFINED_H_")));
}

TEST(IncludeCheckTest, FoldersOutsideTheHouseAreTheirOwnMatter) {
  EXPECT_THAT(Check("examples/downstream/own.cc", "#include \"own.h\"\n"),
              IsEmpty());
  EXPECT_THAT(Check("examples/own.cc", "#include \"own.h\"\n"), Not(IsEmpty()));
}

}  // namespace
}  // namespace eplb
