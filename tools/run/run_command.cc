#include "tools/run/run_command.h"

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/output_file.h"
#include "eplb/load/recorded_loads.h"
#include "eplb/state/eplb_config.h"
#include "policies/builtin_policies.h"
#include "policies/policy_registry.h"
#include "tools/byte_count.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/policy_flags.h"
#include "tools/run/process_place.h"
#include "tools/run/run_options.h"
#include "tools/run/run_process.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"
#include "tools/run/run_threads.h"
#include "tools/run/stop_signal.h"
#include "tools/size_flags.h"
#include "tools/traffic_source.h"

namespace eplb {
namespace {

const char* EnvironmentOfProcess(const char* name) { return getenv(name); }

absl::Status ValidateSizes(const RunOptions& options, int num_ranks) {
  EPLB_RETURN_IF_ERROR(ValidateNodes(num_ranks, options.nodes));
  EPLB_RETURN_IF_ERROR(
      ValidateGroups(options.groups, options.traffic.experts, "the model"));
  const ModelShape shape{.num_layers = options.traffic.layers,
                         .num_logical_experts = options.traffic.experts,
                         .num_redundant_experts = options.redundant,
                         .num_expert_groups = options.groups};
  EPLB_RETURN_IF_ERROR(WithPlace(
      absl::StrCat("--redundant=", options.redundant), shape.Validate()));
  return WithPlace(absl::StrCat("--redundant=", options.redundant, " on ",
                                num_ranks, " ranks"),
                   ValidateSlotsPerRank(shape, num_ranks));
}

// Of the ranks that this machine holds at least. A machine that runs out of
// memory kills something.
absl::Status ValidateMemory(const RunOptions& options, int num_ranks,
                            int num_ranks_here) {
  const double slots_per_rank =
      static_cast<double>(options.traffic.experts + options.redundant) /
      num_ranks;
  // One more layer to receive into.
  const double needed = num_ranks_here * slots_per_rank *
                        (options.traffic.layers + 1) * options.expert_bytes;
  const double there = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed <= there) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the weights of ", num_ranks_here, " ranks take ", ByteCount(needed),
      "; this machine has ", ByteCount(there),
      " (--layers, --experts and --expert_bytes make them smaller)"));
}

// Before the work rather than after it.
absl::Status CheckOutputFiles(const RunOptions& options) {
  for (const std::string& name : {options.report, options.trace_out}) {
    if (!name.empty()) EPLB_RETURN_IF_ERROR(CheckReplaceable(name));
  }
  return absl::OkStatus();
}

void WarnOfLauncher(const RunOptions& options, CommandOutput& output) {
  const std::string launcher = LauncherOf(EnvironmentOfProcess);
  if (launcher.empty() || !options.is_in_process()) return;
  output.Warn(absl::StrCat(
      launcher,
      " started this process as one of several, and each runs a job "
      "of its own; --backend=gloo joins them"));
}

// Where this process is one of several that something else has started.
absl::StatusOr<std::optional<ProcessPlace>> FindPlace(
    const RunOptions& options) {
  if (options.is_in_process() || options.spawn) return std::nullopt;
  EPLB_ASSIGN_OR_RETURN(
      ProcessPlace place,
      FindProcessPlace(options.process, EnvironmentOfProcess));
  return std::optional<ProcessPlace>(std::move(place));
}

absl::StatusOr<std::optional<RunResult>> RunRanks(
    const RankJob& job, const std::optional<ProcessPlace>& place) {
  if (job.options->spawn) return RunSpawnedProcesses(job);
  const StopSignal stop;
  RankJob stoppable = job;
  stoppable.stop = &stop;
  if (place.has_value()) return RunPlacedProcess(stoppable, *place);
  return RunThreads(stoppable);
}

absl::Status Run(RunOptions options, CommandOutput& output) {
  EPLB_RETURN_IF_ERROR(options.Validate());
  WarnOfLauncher(options, output);
  PolicyRegistry registry;
  EPLB_RETURN_IF_ERROR(RegisterBuiltinPolicies(registry));
  EPLB_RETURN_IF_ERROR(FindPolicy(registry, options.policy.policy).status());
  EPLB_ASSIGN_OR_RETURN(const std::optional<ProcessPlace> place,
                        FindPlace(options));

  SystemClock clock;
  RankJob job;
  if (!options.traffic.file().empty()) {
    EPLB_ASSIGN_OR_RETURN(RecordedLoads trace,
                          ObtainTrace(options.traffic, output));
    options.traffic.layers = trace.num_layers();
    options.traffic.experts = trace.num_logical_experts();
    job.trace = std::make_shared<const RecordedLoads>(std::move(trace));
  }
  job.options = &options;
  job.num_ranks = place.has_value() ? place->world_size : options.ranks;
  job.policies = &registry;
  job.clock = &clock;
  job.output = &output;
  if (options.redundant == EplbConfig::kAutoRedundantExperts) {
    EPLB_ASSIGN_OR_RETURN(
        options.redundant,
        AutoRedundantExperts(options.traffic.experts, job.num_ranks));
  }
  EPLB_RETURN_IF_ERROR(ValidateSizes(options, job.num_ranks));
  EPLB_RETURN_IF_ERROR(ValidateMemory(options, job.num_ranks,
                                      place.has_value() ? 1 : job.num_ranks));
  if (!place.has_value() || place->rank == 0) {
    EPLB_RETURN_IF_ERROR(CheckOutputFiles(options));
  }
  EPLB_ASSIGN_OR_RETURN(const std::optional<RunResult> result,
                        RunRanks(job, place));
  if (!result.has_value()) return absl::OkStatus();
  if (result->steps < options.traffic.steps) {
    output.Warn(absl::StrCat("stopped after ", result->steps, " of ",
                             options.traffic.steps, " steps"));
  }
  output.Print(options.format.is_json()
                   ? absl::StrCat(RunResultJson(*result), "\n")
                   : RunResultText(*result, output.color()));
  return result->files_written;
}

}  // namespace

Command RunCommand() {
  auto options = std::make_shared<RunOptions>();
  return {
      .name = "run",
      .summary = "serves made-up tokens and balances them, live",
      .description =
          "Every rank holds real expert weights, sends its tokens through "
          "them\n"
          "and rearranges as it goes. Every slot's bytes and every output are\n"
          "checked against a model that is not balanced.",
      .examples = {"",
                   "--ranks=4 --policy=incremental "
                   "--traffic=lognormal:1.2,drift=0.99 --steps=200",
                   "--backend=gloo --spawn --ranks=4 --steps=100 "
                   "--format=json"},
      .flags = RunFlags(*options),
      .run = [options](CommandOutput& output) {
        return Run(*options, output);
      }};
}

}  // namespace eplb
