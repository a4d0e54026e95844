// The plan of the house: which room may include which, and where a library may
// be used. include_test holds every source to it; docs and design follow it.

#ifndef EPLB_TOOLS_HOUSE_PLAN_H_
#define EPLB_TOOLS_HOUSE_PLAN_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace eplb {

// A folder whose sources, with those of the folders below it, belong together.
struct Room {
  absl::string_view folder;
  // Rooms, or single headers, that it may include besides its own.
  std::vector<absl::string_view> may_include;
  // A room that uses no library but Abseil and the C++ standard library. Its
  // tests may use more.
  bool only_abseil = false;
};

// A library that is not ours, known by how the names of its headers begin.
struct Library {
  absl::string_view name;
  std::vector<absl::string_view> header_prefixes;
  // Patterns of the paths that may include it, where * stands for anything.
  std::vector<absl::string_view> where;
  bool in_all_tests = false;
};

struct Plan {
  std::vector<Room> rooms;
  // Folders that are not part of the house.
  std::vector<absl::string_view> outside;
  // Patterns of the paths that are tests or benchmarks, and what these may
  // include on top of their room.
  std::vector<absl::string_view> tests;
  std::vector<absl::string_view> tests_may_include;
  std::vector<Library> libraries;
};

inline Plan HousePlan() {
  return {
      .rooms =
          {
              // Floor 0.
              {.folder = "eplb/core", .may_include = {}, .only_abseil = true},
              // Floor 1: neighbours that do not know each other.
              {"policies", {"eplb/core"}},
              {"collectives", {"eplb/core"}},
              {"kernels", {"eplb/core"}},
              // Floor 2: neighbours as well.
              {"eplb/load",
               {"eplb/core", "policies", "collectives", "kernels"}},
              {"eplb/shuffle",
               {"eplb/core", "policies", "collectives", "kernels"}},
              // Floor 3.
              {"eplb/state",
               {"eplb/core", "policies", "collectives", "kernels", "eplb/load",
                "eplb/shuffle"}},
              // Floor 4: programs.
              {"benchmarks",
               {"eplb/core", "policies", "collectives", "kernels", "eplb/load",
                "eplb/shuffle", "eplb/state"}},
              {"tools",
               {"eplb/core", "policies", "collectives", "kernels", "eplb/load",
                "eplb/shuffle", "eplb/state",
                // Synthetic traffic is a feature of the tools as well.
                "testing/deterministic_random.h", "testing/fixed_math.h",
                "testing/traffic.h", "testing/traffic_generator.h"}},
              // Beside the house: helpers for its tests and for users' tests.
              {"testing", {"eplb/core", "policies", "collectives", "kernels"}},
              // Guests: what any user may include.
              {"examples",
               {"eplb/core", "policies", "collectives", "kernels", "eplb/load",
                "eplb/shuffle", "eplb/state", "testing"}},
              {"python",
               {"eplb/core", "policies", "collectives", "kernels", "eplb/load",
                "eplb/shuffle", "eplb/state", "testing"}},
          },
      // A stranger's workspace, and what stands in for libraries.
      .outside = {"examples/downstream", "third_party"},
      .tests = {"*_test.cc", "*_test.cu", "*_test.h", "*_test_cases.*",
                "*/state_test_*", "*conformance*", "*_benchmark.*",
                "benchmarks/*"},
      .tests_may_include = {"testing"},
      .libraries =
          {
              {"Abseil", {"absl/"}, {"*"}},
              {"CUDA",
               {"cooperative_groups", "cub/", "cuda", "nv/", "nvtx3/",
                "thrust/"},
               {"kernels/cuda/*", "collectives/*nccl*"}},
              {"NCCL", {"nccl"}, {"kernels/cuda/*", "collectives/*nccl*"}},
              {"Gloo", {"gloo/"}, {"collectives/*gloo*"}},
              // Never in a header: a user's logger is the user's choice.
              {"glog", {"glog/"}, {"*.cc"}},
              {"nlohmann_json",
               {"nlohmann/"},
               {"benchmarks/*", "eplb/load/*", "testing/*", "tools/*"},
               /*in_all_tests=*/true},
              {"GoogleTest",
               {"gtest/", "gmock/"},
               {"testing/*"},
               /*in_all_tests=*/true},
              {"Google Benchmark",
               {"benchmark/"},
               {"benchmarks/*", "*_benchmark.*"}},
              {"pybind11", {"pybind11/", "Python.h"}, {"python/*"}},
          },
  };
}

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_PLAN_H_
