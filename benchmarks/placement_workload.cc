#include "benchmarks/placement_workload.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/load/load_file.h"
#include "eplb/load/recorded_loads.h"
#include "policies/greedy.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

namespace eplb {
namespace {

constexpr int64_t kTokensPerLayer = 1 << 20;
constexpr uint64_t kSeed = 1;

// A benchmark that cannot make its workload has nothing to say.
template <typename T>
T ValueOrExit(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

ModelShape ModelShapeOf(const WorkloadShape& shape) {
  return {.num_layers = shape.num_layers,
          .num_logical_experts = shape.num_logical_experts,
          .num_redundant_experts = shape.num_slots - shape.num_logical_experts};
}

// A sequence of plans starts from a plan, a single plan from nothing.
Placement PlacementBefore(const ModelShape& shape, const Topology& topology,
                          std::vector<ExpertLoads>& steps) {
  if (steps.size() == 1) return ValueOrExit(Placement::Initial(shape));
  const ExpertLoads first = steps.front();
  steps.erase(steps.begin());
  return ValueOrExit(
             GreedyPolicy().Place(
                 {.shape = shape, .loads = &first, .topology = &topology}))
      .placement;
}

}  // namespace

std::vector<WorkloadShape> WorkloadShapes() {
  return {
      {"R1", 58, 256, 288, 32},        {"R1-wide", 61, 256, 320, 64},
      {"R1-EP144", 58, 256, 288, 144}, {"K2", 61, 384, 448, 64},
      {"Qwen3", 94, 128, 160, 32},     {"Q3N", 48, 512, 544, 32},
  };
}

PlacementWorkload::PlacementWorkload(const WorkloadShape& shape,
                                     absl::string_view traffic,
                                     std::vector<ExpertLoads> steps)
    : name_(absl::StrCat(shape.name, "/", traffic)),
      shape_(ModelShapeOf(shape)),
      topology_(ValueOrExit(Topology::Uniform(shape.num_ranks))),
      steps_(std::move(steps)),
      first_placement_(PlacementBefore(shape_, topology_, steps_)) {}

PlacementWorkload Synthetic(const WorkloadShape& shape,
                            absl::string_view traffic, int num_steps) {
  TrafficGenerator generator = ValueOrExit(TrafficGenerator::Create(
      ValueOrExit(ParseTrafficSpec(traffic)), shape.num_layers,
      shape.num_logical_experts, kSeed));
  // A sequence is scored from its second step on.
  const int num_drawn = num_steps == 1 ? 1 : num_steps + 1;
  std::vector<ExpertLoads> steps;
  for (int step = 0; step < num_drawn; ++step) {
    steps.push_back(ValueOrExit(generator.Next(kTokensPerLayer)));
  }
  return PlacementWorkload(shape, traffic, std::move(steps));
}

PlacementWorkload ExactZipf(const WorkloadShape& shape, double skew) {
  std::vector<int64_t> loads;
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    for (int expert = 0; expert < shape.num_logical_experts; ++expert) {
      loads.push_back(std::llround(1e9 * std::pow(expert + 1.0, -skew)));
    }
  }
  return PlacementWorkload(
      shape, absl::StrCat("exact-zipf:", skew),
      {ValueOrExit(ExpertLoads::Create(
          shape.num_layers, shape.num_logical_experts, std::move(loads)))});
}

PlacementWorkload EightExperts() {
  return PlacementWorkload({.name = "8/8",
                            .num_layers = 1,
                            .num_logical_experts = 8,
                            .num_slots = 16,
                            .num_ranks = 8},
                           "eight-experts",
                           {ValueOrExit(ExpertLoads::Create(
                               1, 8, {600, 560, 120, 120, 20, 10, 10, 10}))});
}

PlacementWorkload GptOssDomains() {
  const RecordedLoads recorded =
      ValueOrExit(ReadLoadFile("testing/data/gptoss20b_domain_counts.npy"))
          .loads;
  std::vector<ExpertLoads> steps;
  for (int64_t step = 0; step < recorded.num_steps(); ++step) {
    const absl::Span<const int64_t> loads = recorded.step(step);
    steps.push_back(ValueOrExit(ExpertLoads::Create(
        recorded.num_layers(), recorded.num_logical_experts(),
        std::vector<int64_t>(loads.begin(), loads.end()))));
  }
  return PlacementWorkload(
      {.name = "GPT-OSS-20B",
       .num_layers = recorded.num_layers(),
       .num_logical_experts = recorded.num_logical_experts(),
       .num_slots = 40,
       .num_ranks = 8},
      "domains", std::move(steps));
}

}  // namespace eplb
