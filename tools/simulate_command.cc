#include "tools/simulate_command.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/load/error_place.h"
#include "eplb/load/output_file.h"
#include "eplb/load/recorded_loads.h"
#include "policies/builtin_policies.h"
#include "policies/placement_policy.h"
#include "policies/policy_registry.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"
#include "tools/output_format.h"
#include "tools/policy_flags.h"
#include "tools/report/report_page.h"
#include "tools/simulation/simulate_all.h"
#include "tools/simulation/simulation.h"
#include "tools/simulation_report.h"
#include "tools/simulation_text.h"
#include "tools/size_flags.h"
#include "tools/traffic_source.h"

namespace eplb {
namespace {

// More rows than anybody reads.
constexpr size_t kMaxCombinations = 1024;

struct SimulateOptions {
  std::string trace;
  TrafficSource source;
  std::vector<int> ranks;
  std::vector<int> redundant = {0};
  std::vector<std::string> policies = {PolicyOptions().policy};
  PolicyOptions policy;
  int interval = 100;
  int window = 100;
  int nodes = 1;
  int groups = 1;
  // An expert of 7,168 x 2,048 in three matrices of 8 bits.
  int expert_bytes = 44040192;
  int threads = std::clamp<int>(std::thread::hardware_concurrency(), 1, 64);
  std::string report;
  OutputFormat format;
};

// --trace=FILE is another way to write --traffic=file:FILE.
absl::StatusOr<TrafficSource> ChooseSource(const SimulateOptions& options) {
  TrafficSource source = options.source;
  if (options.trace.empty() == source.traffic.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("simulate: ", options.trace.empty() ? "one" : "only one",
                     " of --trace=FILE and --traffic=SPEC must be given"));
  }
  if (!options.trace.empty()) {
    source.traffic = absl::StrCat("file:", options.trace);
  }
  return source;
}

// Errors begin with the flags that make the combination.
absl::Status ValidateCombination(const SimulateOptions& options,
                                 const RecordedLoads& trace, int ranks,
                                 int redundant) {
  const ModelShape shape{.num_layers = trace.num_layers(),
                         .num_logical_experts = trace.num_logical_experts(),
                         .num_redundant_experts = redundant,
                         .num_expert_groups = options.groups};
  EPLB_RETURN_IF_ERROR(
      WithPlace(absl::StrCat("--redundant=", redundant), shape.Validate()));
  return WithPlace(absl::StrCat("--ranks=", ranks, " --redundant=", redundant),
                   ValidateSlotsPerRank(shape, ranks));
}

absl::Status Validate(const SimulateOptions& options,
                      const RecordedLoads& trace, absl::string_view source) {
  if (options.ranks.size() * options.redundant.size() *
          options.policies.size() >
      kMaxCombinations) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--ranks, --redundant and --policy: ", options.ranks.size(), " x ",
        options.redundant.size(), " x ", options.policies.size(),
        " combinations are more than ", kMaxCombinations));
  }
  EPLB_RETURN_IF_ERROR(
      ValidateGroups(options.groups, trace.num_logical_experts(), source));
  for (const int ranks : options.ranks) {
    EPLB_RETURN_IF_ERROR(ValidateNodes(ranks, options.nodes));
    for (const int redundant : options.redundant) {
      EPLB_RETURN_IF_ERROR(
          ValidateCombination(options, trace, ranks, redundant));
    }
  }
  return absl::OkStatus();
}

// All combinations, with ranks as the slowest index and policies as the
// fastest: rows to compare stand below each other.
absl::StatusOr<std::vector<SimulatedCombination>> Combinations(
    const SimulateOptions& options, const PolicyRegistry& registry) {
  std::vector<SimulatedCombination> combinations;
  for (const int ranks : options.ranks) {
    for (const int redundant : options.redundant) {
      for (const std::string& name : options.policies) {
        EPLB_ASSIGN_OR_RETURN(const PlacementPolicy* policy,
                              FindPolicy(registry, name));
        combinations.push_back(
            {.policy = name,
             .options = {.policy = policy,
                         .num_ranks = ranks,
                         .num_nodes = options.nodes,
                         .num_groups = options.groups,
                         .num_redundant_experts = redundant,
                         .interval = options.interval,
                         .window = options.window,
                         .max_moves_per_layer =
                             options.policy.max_moves_per_layer,
                         .target_balancedness =
                             options.policy.target_balancedness},
             .simulation = {},
             .expert_bytes = options.expert_bytes});
      }
    }
  }
  return combinations;
}

absl::Status SimulateInto(std::vector<SimulatedCombination>& combinations,
                          const RecordedLoads& trace, int threads,
                          CommandOutput& output) {
  std::vector<SimulationOptions> options;
  for (const SimulatedCombination& combination : combinations) {
    options.push_back(combination.options);
  }
  EPLB_ASSIGN_OR_RETURN(
      std::vector<Simulation> simulations,
      SimulateAll(trace, options,
                  {.num_threads = threads,
                   .progress = [&](int64_t steps, int64_t all_steps) {
                     output.ShowProgress(absl::StrCat(
                         "simulating ", options.size(),
                         " combinations: ", 100 * steps / all_steps, " %"));
                   }}));
  output.ClearProgress();
  std::vector<std::string> warnings;
  for (size_t i = 0; i < combinations.size(); ++i) {
    for (const std::string& warning : simulations[i].warnings) {
      warnings.push_back(absl::StrCat(combinations[i].policy, ": ", warning));
    }
    combinations[i].simulation = std::move(simulations[i]);
  }
  // Combinations that differ in their numbers warn of the same.
  std::sort(warnings.begin(), warnings.end());
  warnings.erase(std::unique(warnings.begin(), warnings.end()), warnings.end());
  for (const std::string& warning : warnings) output.Warn(warning);
  return absl::OkStatus();
}

absl::Status RunSimulate(const SimulateOptions& options,
                         CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const TrafficSource source, ChooseSource(options));
  PolicyRegistry registry;
  EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(registry));
  EPLB_ASSIGN_OR_RETURN(std::vector<SimulatedCombination> combinations,
                        Combinations(options, registry));
  EPLB_ASSIGN_OR_RETURN(const RecordedLoads trace, ObtainTrace(source, output));
  const std::string file = source.file();
  EPLB_RETURN_IF_ERROR(
      Validate(options, trace, file.empty() ? "the traffic" : file));
  // Before the work rather than after it.
  if (!options.report.empty()) {
    EPLB_RETURN_IF_ERROR(CheckReplaceable(options.report));
  }
  EPLB_RETURN_IF_ERROR(
      SimulateInto(combinations, trace, options.threads, output));
  output.Print(options.format.is_json()
                   ? absl::StrCat(SimulationJson(combinations), "\n")
                   : SimulationTable(combinations, output.color()));
  if (options.report.empty()) return absl::OkStatus();
  return WriteReport(
      options.report,
      SimulationReport(combinations, file.empty() ? source.traffic : file));
}

std::vector<Flag> SimulateFlags(SimulateOptions& options) {
  constexpr int kMaxInteger = std::numeric_limits<int>::max();
  std::vector<Flag> flags = {
      TextFlag("trace", "FILE",
               "recorded loads: .npy, .json, .csv or a load dump",
               options.trace),
      TextFlag("traffic", "SPEC",
               "instead: uniform, zipf:S or lognormal:SIGMA, and ,drift=RHO; "
               "or file:FILE",
               options.source.traffic),
      Required(IntegerListFlag("ranks", "ranks of the group", 1, kMaxRanks,
                               options.ranks)),
      IntegerListFlag("redundant", "redundant experts per layer", 0,
                      kMaxSlotsFlag, options.redundant),
      PolicyListFlag(options.policies),
      IntegerFlag("interval", "steps between rearrangements", 1, kMaxInteger,
                  options.interval),
      IntegerFlag("window", "steps whose loads a plan is made from", 1,
                  kMaxInteger, options.window),
      IntegerFlag("nodes", "nodes that the ranks are on", 1, kMaxRanks,
                  options.nodes),
      IntegerFlag("groups", "groups of consecutive experts", 1, kMaxSlotsFlag,
                  options.groups),
      IntegerFlag("layers", "layers of synthetic traffic", 1, kMaxSlotsFlag,
                  options.source.layers),
      IntegerFlag("experts", "experts per layer of synthetic traffic", 1,
                  kMaxSlotsFlag, options.source.experts),
      IntegerFlag("steps", "steps of synthetic traffic", 1, kMaxInteger,
                  options.source.steps),
      IntegerFlag("seed", "which synthetic traffic", 0, kMaxInteger,
                  options.source.seed),
      IntegerFlag("expert_bytes", "weights of one expert in one layer", 1,
                  kMaxInteger, options.expert_bytes)};
  for (Flag& flag : PolicyLimitFlags(options.policy)) flags.push_back(flag);
  flags.insert(flags.end(),
               {IntegerFlag("threads", "combinations at a time", 1,
                            kMaxThreadsFlag, options.threads),
                TextFlag("report", "FILE",
                         "writes a page about the most balanced combination "
                         "there (.html)",
                         options.report),
                FormatFlag(options.format)});
  return flags;
}

}  // namespace

Command SimulateCommand() {
  auto options = std::make_shared<SimulateOptions>();
  return {
      .name = "simulate",
      .summary = "replays loads: what balancing would buy",
      .description =
          "Replays a trace, or synthetic traffic, once for each combination\n"
          "of ranks, redundant experts and policies. Every placement is\n"
          "scored on the steps after it was made.",
      .examples =
          {"--traffic=zipf:1.0,drift=0.99 --ranks=8,16 --redundant=16 "
           "--policy=hierarchical,incremental",
           "--trace=testing/data/gptoss20b_domain_counts.npy --ranks=8 "
           "--redundant=8 --interval=20 --window=40 --report=report.html"},
      .flags = SimulateFlags(*options),
      .run = [options](CommandOutput& output) {
        return RunSimulate(*options, output);
      }};
}

}  // namespace eplb
