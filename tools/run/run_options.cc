#include "tools/run/run_options.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/state/eplb_config.h"
#include "tools/command/flag.h"
#include "tools/output_format.h"
#include "tools/policy_flags.h"
#include "tools/run/expert_model.h"
#include "tools/size_flags.h"

namespace eplb {
namespace {

constexpr int kMaxInteger = std::numeric_limits<int>::max();
constexpr int kMaxTokensFlag = 1 << 20;

// For a flag whose target says "not given".
Flag NoDefault(Flag flag) {
  flag.default_value.clear();
  return flag;
}

std::vector<Flag> GroupFlags(RunOptions& options) {
  return {
      IntegerFlag("ranks", "ranks: threads, or processes with --spawn", 1, 512,
                  options.ranks),
      ChoiceFlag("backend", {"in_process", "gloo"},
                 "how ranks talk: as threads, or as processes",
                 options.backend),
      BooleanFlag("spawn", "with gloo: start the ranks on this machine",
                  options.spawn),
      NoDefault(IntegerFlag("rank",
                            "with gloo: this process's rank; else Open MPI, "
                            "Slurm or torchrun say it",
                            0, kMaxRanks - 1, options.process.rank)),
      NoDefault(IntegerFlag("world_size", "with --rank: processes of the job",
                            1, kMaxRanks, options.process.world_size)),
      TextFlag("rendezvous", "URL",
               "where processes meet: file:///DIR or redis://HOST:PORT",
               options.rendezvous),
      TextFlag("job_id", "NAME",
               "the job's name at the rendezvous, different for each run",
               options.process.job_id),
      TextFlag("listen", "ADDRESS|INTERFACE",
               "where this process is reached by the others", options.listen),
      BooleanFlag("listen_any", "allow a --listen of every network",
                  options.listen_any),
      DurationFlag("timeout", "how long ranks wait for each other",
                   options.timeout)};
}

// A number, or "auto" as in EplbConfig.
Flag RedundantFlag(int& target) {
  Flag flag = IntegerFlag("redundant",
                          "redundant experts per layer; auto: as few as make "
                          "slots divide by ranks",
                          0, kMaxSlotsFlag, target);
  flag.value_name = "N|auto";
  flag.suggestions = {"auto"};
  flag.store = [&target,
                store_number = std::move(flag.store)](absl::string_view value) {
    if (value == "auto") {
      target = EplbConfig::kAutoRedundantExperts;
      return absl::OkStatus();
    }
    const absl::Status stored = store_number(value);
    return stored.ok() ? stored
                       : absl::InvalidArgumentError(
                             absl::StrCat(stored.message(), ", or auto"));
  };
  return flag;
}

std::vector<Flag> WorkFlags(RunOptions& options) {
  return {
      IntegerFlag("layers", "layers", 1, kMaxSlotsFlag, options.traffic.layers),
      IntegerFlag("experts", "experts per layer", 1, kMaxSlotsFlag,
                  options.traffic.experts),
      RedundantFlag(options.redundant),
      IntegerFlag("expert_bytes", "weights of one expert in one layer",
                  ExpertModelOptions::kMinExpertBytes, kMaxInteger,
                  options.expert_bytes),
      IntegerFlag("nodes", "nodes that the ranks are counted to", 1, kMaxRanks,
                  options.nodes),
      IntegerFlag("groups", "groups of consecutive experts", 1, kMaxSlotsFlag,
                  options.groups),
      IntegerFlag("steps", "forward passes", 1, kMaxInteger,
                  options.traffic.steps),
      IntegerFlag("tokens", "tokens of a rank in a step", 1, kMaxTokensFlag,
                  options.tokens),
      TextFlag("traffic", "SPEC",
               "uniform, zipf:S or lognormal:SIGMA, and ,drift=RHO; or "
               "file:FILE",
               options.traffic.traffic),
      IntegerFlag("seed", "which weights and tokens", 0, kMaxInteger,
                  options.traffic.seed),
      IntegerFlag("interval", "steps between rearrangements", 1, kMaxInteger,
                  options.interval),
      IntegerFlag("window", "steps whose loads a plan is made from", 1,
                  kMaxInteger, options.window),
      BooleanFlag("async", "rearrange in the background", options.use_async)};
}

std::vector<Flag> BalancerFlags(RunOptions& options) {
  return {
      NumberFromFlag("min_balancedness_gain",
                     "a plan that promises less is skipped", 0, 1,
                     options.min_balancedness_gain),
      NumberFlag("load_decay",
                 "how much less a step counts than the one after it", 0, 1,
                 options.load_decay),
      BooleanFlag("verify_checksums",
                  "compare a checksum of every row that moves",
                  options.verify_checksums),
      IntegerFlag("staging_bytes",
                  "most memory to receive weights into; 0 for a rank's experts "
                  "of one layer",
                  0, kMaxInteger, options.staging_bytes),
      IntegerFlag("transfer_bytes_per_step",
                  "with --async: what a step may copy", 1, kMaxInteger,
                  options.transfer_bytes_per_step),
      IntegerFlag("switch_bytes_per_step",
                  "layers switch together while a rank copies no more for it; "
                  "0 for one at a time",
                  0, kMaxInteger, options.switch_bytes_per_step)};
}

std::vector<Flag> OutputFlags(RunOptions& options) {
  return {TextFlag("dump_dir", "DIR", "writes the loads there, as a dump",
                   options.dump_dir),
          TextFlag("report", "FILE.html", "writes a page to look at",
                   options.report),
          TextFlag("trace_out", "FILE.json",
                   "writes the rearrangements as a Chrome trace",
                   options.trace_out),
          FormatFlag(options.format)};
}

absl::Status GoTogether(bool given, const char* flag, bool condition,
                        const char* rule) {
  if (!given || condition) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", rule));
}

}  // namespace

absl::Status RunOptions::Validate() const {
  const bool has_place = process.rank >= 0 || process.world_size >= 0 ||
                         !rendezvous.empty() || !process.job_id.empty();
  const bool has_listen = listen_any || listen != RunOptions().listen;
  EPLB_RETURN_IF_ERROR(
      GoTogether(spawn, "--spawn", !is_in_process(), "needs --backend=gloo"));
  EPLB_RETURN_IF_ERROR(
      GoTogether(has_place, "--rank, --world_size, --rendezvous, --job_id",
                 !is_in_process(), "need --backend=gloo"));
  EPLB_RETURN_IF_ERROR(
      GoTogether(has_place, "--rank, --world_size, --rendezvous, --job_id",
                 !spawn, "do not go with --spawn, which makes its own"));
  return GoTogether(has_listen, "--listen, --listen_any",
                    !is_in_process() && !spawn,
                    "need processes that are not spawned: --backend=gloo");
}

std::vector<Flag> RunFlags(RunOptions& options) {
  std::vector<Flag> flags = GroupFlags(options);
  for (const std::vector<Flag>& more :
       {WorkFlags(options), PolicyFlags(options.policy), BalancerFlags(options),
        OutputFlags(options)}) {
    flags.insert(flags.end(), more.begin(), more.end());
  }
  return flags;
}

}  // namespace eplb
