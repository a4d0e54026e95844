#include "tools/plan_command.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_file.h"
#include "eplb/load/placement_file.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"
#include "tools/output_format.h"
#include "tools/placement_text.h"
#include "tools/policy_flags.h"
#include "tools/size_flags.h"

namespace eplb {
namespace {

struct PlanOptions {
  std::string loads;
  int slots = 0;
  int ranks = 0;
  int nodes = 1;
  int groups = 1;
  PolicyOptions policy;
  std::string current;
  std::vector<int> inactive_ranks;
  int threads = 1;
  std::string output;
  OutputFormat format;
};

absl::Status ValidateSizes(const PlanOptions& options, int num_experts) {
  EPLB_RETURN_IF_ERROR(ValidateNodes(options.ranks, options.nodes));
  if (options.slots < num_experts) {
    return absl::ResourceExhaustedError(
        absl::StrCat("--slots=", options.slots, ": the ", num_experts,
                     " experts of ", options.loads, " need a slot each"));
  }
  if (options.slots % options.ranks != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--slots=", options.slots, ": does not divide by --ranks=",
        options.ranks, "; the nearest number that does is ",
        NearestMultiple(options.slots, options.ranks, num_experts)));
  }
  return ValidateGroups(options.groups, num_experts, options.loads);
}

absl::StatusOr<ExpertLoads> ReadLoads(const PlanOptions& options,
                                      CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const LoadFile file, ReadLoadFile(options.loads));
  for (const std::string& warning : file.warnings) output.Warn(warning);
  absl::StatusOr<ExpertLoads> loads = file.loads.SumOverSteps();
  if (!loads.ok()) return WithPlace(options.loads, loads.status());
  return loads;
}

absl::StatusOr<Topology> MakeTopology(const PlanOptions& options) {
  EPLB_ASSIGN_OR_RETURN(const Topology all,
                        Topology::Uniform(options.ranks, options.nodes));
  absl::StatusOr<Topology> active =
      all.WithInactiveRanks(options.inactive_ranks);
  if (!active.ok()) return WithPlace("--inactive_ranks", active.status());
  return active;
}

absl::StatusOr<std::optional<PlacementFile>> ReadCurrent(
    const PlanOptions& options, const ModelShape& shape) {
  if (options.current.empty()) return std::nullopt;
  EPLB_ASSIGN_OR_RETURN(PlacementFile file, ReadPlacementFile(options.current));
  const auto differs = [&](absl::string_view what, int here, int wanted) {
    return here == wanted ? absl::OkStatus()
                          : absl::InvalidArgumentError(absl::StrCat(
                                options.current, ": has ", here, " ", what,
                                "; the plan is for ", wanted));
  };
  const Placement& placement = file.placement;
  EPLB_RETURN_IF_ERROR(
      differs("layers", placement.num_layers(), shape.num_layers));
  EPLB_RETURN_IF_ERROR(differs("logical experts",
                               placement.num_logical_experts(),
                               shape.num_logical_experts));
  EPLB_RETURN_IF_ERROR(differs("slots per layer", placement.num_slots(),
                               shape.num_physical_experts()));
  EPLB_RETURN_IF_ERROR(differs("ranks", file.num_ranks, options.ranks));
  return std::optional<PlacementFile>(std::move(file));
}

// Runs the policy, and only it under the stopwatch.
absl::StatusOr<PlacementFile> MakePlan(const PlanOptions& options,
                                       const PlacementPolicy& policy,
                                       const PlacementRequest& request,
                                       CommandOutput& output) {
  const auto start = std::chrono::steady_clock::now();
  EPLB_ASSIGN_OR_RETURN(PlacementResult result, policy.Place(request));
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  for (const std::string& warning : result.warnings) output.Warn(warning);
  return PlacementFile{.policy = options.policy.policy,
                       .num_ranks = options.ranks,
                       .num_nodes = options.nodes,
                       .num_groups = options.groups,
                       .placement = std::move(result.placement),
                       .layers = std::move(result.layers),
                       .plan_seconds = seconds.count()};
}

absl::Status RunPlan(const PlanOptions& options, CommandOutput& output) {
  PolicyRegistry registry;
  EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(registry));
  EPLB_ASSIGN_OR_RETURN(const PlacementPolicy* policy,
                        FindPolicy(registry, options.policy.policy));
  EPLB_ASSIGN_OR_RETURN(const ExpertLoads loads, ReadLoads(options, output));
  EPLB_RETURN_IF_ERROR(ValidateSizes(options, loads.num_logical_experts()));
  EPLB_ASSIGN_OR_RETURN(const Topology topology, MakeTopology(options));
  const ModelShape shape{
      .num_layers = loads.num_layers(),
      .num_logical_experts = loads.num_logical_experts(),
      .num_redundant_experts = options.slots - loads.num_logical_experts(),
      .num_expert_groups = options.groups};
  EPLB_ASSIGN_OR_RETURN(const std::optional<PlacementFile> current,
                        ReadCurrent(options, shape));
  EPLB_ASSIGN_OR_RETURN(
      const PlacementFile plan,
      MakePlan(options, *policy,
               {.shape = shape,
                .loads = &loads,
                .topology = &topology,
                .current = current ? &current->placement : nullptr,
                .max_moves_per_layer = options.policy.max_moves_per_layer,
                .target_balancedness = options.policy.target_balancedness,
                .num_threads = options.threads},
               output));
  if (!options.output.empty()) {
    EPLB_RETURN_IF_ERROR(WritePlacementFile(options.output, plan));
  }
  output.Print(options.format.is_json()
                   ? absl::StrCat(FormatPlacement(plan), "\n")
                   : PlacementText(plan, output.color()));
  return absl::OkStatus();
}

std::vector<Flag> PlanFlags(PlanOptions& options) {
  std::vector<Flag> flags = {
      Required(TextFlag("loads", "FILE",
                        "recorded loads: .npy, .json, .csv or a load dump",
                        options.loads)),
      Required(IntegerFlag("slots", "slots per layer, over all ranks", 1,
                           kMaxSlotsFlag, options.slots)),
      Required(IntegerFlag("ranks", "ranks of the group", 1, kMaxRanks,
                           options.ranks)),
      IntegerFlag("nodes", "nodes that the ranks are on", 1, kMaxRanks,
                  options.nodes),
      IntegerFlag("groups", "groups of consecutive experts", 1, kMaxSlotsFlag,
                  options.groups)};
  for (Flag& flag : PolicyFlags(options.policy)) flags.push_back(flag);
  flags.insert(
      flags.end(),
      {TextFlag("current", "FILE",
                "the placement in force; slots that stay are not moved",
                options.current),
       IntegerListFlag("inactive_ranks", "ranks whose slots stay empty", 0,
                       kMaxRanks, options.inactive_ranks),
       IntegerFlag("threads", "threads that share the layers", 1,
                   kMaxThreadsFlag, options.threads),
       TextFlag("output", "FILE", "writes the placement there as well",
                options.output),
       FormatFlag(options.format)});
  return flags;
}

}  // namespace

Command PlanCommand() {
  auto options = std::make_shared<PlanOptions>();
  return {.name = "plan",
          .summary = "makes a placement from recorded loads",
          .description =
              "Places the experts of each layer, with replicas of the hot\n"
              "ones, so that the ranks get even loads.",
          .examples =
              {"--loads=testing/data/gptoss20b_domain_counts.npy --slots=40 "
               "--ranks=8 --output=plan.json",
               "--loads=testing/data/gptoss20b_domain_counts.npy --slots=40 "
               "--ranks=8 --current=plan.json --policy=incremental"},
          .flags = PlanFlags(*options),
          .run = [options](CommandOutput& output) {
            return RunPlan(*options, output);
          }};
}

}  // namespace eplb
