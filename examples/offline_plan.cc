// From loads that were recorded to a placement that an engine can start with:
//
//   ./bazelw run //examples:offline_plan -- loads.npy 40 8 plan.json
//
// plans 40 slots per layer on 8 ranks, says what that promises, and writes the
// placement (docs/file_formats.md). `eplb plan` does the same with more to
// choose from; this is how to do it inside a program.

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/load/load_file.h"
#include "eplb/load/placement_file.h"
#include "policies/placement_policy.h"
#include "policies/refined.h"

namespace {

absl::Status Plan(const std::string& loads_file, int num_slots, int num_ranks,
                  const std::string& plan_file) {
  // .npy, .json, .csv and load dumps are told apart by their content. Whatever
  // is wrong in a file comes back as a sentence that names the place.
  EPLB_ASSIGN_OR_RETURN(const eplb::LoadFile file,
                        eplb::ReadLoadFile(loads_file));
  for (const std::string& warning : file.warnings) {
    std::cerr << warning << "\n";
  }
  EPLB_ASSIGN_OR_RETURN(const eplb::ExpertLoads loads,
                        file.loads.SumOverSteps());
  const eplb::ModelShape shape{
      .num_layers = loads.num_layers(),
      .num_logical_experts = loads.num_logical_experts(),
      .num_redundant_experts = num_slots - loads.num_logical_experts()};
  EPLB_ASSIGN_OR_RETURN(const eplb::Topology topology,
                        eplb::Topology::Uniform(num_ranks));

  // Nothing serves yet, so that moves cost nothing: take the policy that makes
  // the ranks most even.
  EPLB_ASSIGN_OR_RETURN(
      eplb::PlacementResult result,
      eplb::RefinedPolicy().Place(
          {.shape = shape, .loads = &loads, .topology = &topology}));
  std::printf("%d layers, %d experts in %d slots on %d ranks\n",
              shape.num_layers, shape.num_logical_experts, num_slots,
              num_ranks);
  std::printf("balancedness %.4f, of the worst layer %.4f\n",
              result.mean_balancedness(), result.worst_balancedness());
  return eplb::WritePlacementFile(plan_file,
                                  {.policy = "refined",
                                   .num_ranks = num_ranks,
                                   .placement = std::move(result.placement),
                                   .layers = std::move(result.layers)});
}

}  // namespace

int main(int argc, char** argv) {
  int num_slots = 0;
  int num_ranks = 0;
  if (argc != 5 || !absl::SimpleAtoi(argv[2], &num_slots) ||
      !absl::SimpleAtoi(argv[3], &num_ranks)) {
    std::cerr << "usage: offline_plan LOADS SLOTS RANKS PLAN.json\n";
    return 2;
  }
  const absl::Status status = Plan(argv[1], num_slots, num_ranks, argv[4]);
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
