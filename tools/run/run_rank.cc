#include "tools/run/run_rank.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/topology_detection.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/load/output_file.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/chrome_trace_event_sink.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/event_fan_out.h"
#include "eplb/state/layer_tables.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "testing/traffic.h"
#include "tools/report/report_page.h"
#include "tools/run/expert_model.h"
#include "tools/run/first_sentence.h"
#include "tools/run/forward_pass.h"
#include "tools/run/phase_balance.h"
#include "tools/run/run_events.h"
#include "tools/run/run_options.h"
#include "tools/run/run_report.h"
#include "tools/run/run_result.h"
#include "tools/run/slot_audit.h"
#include "tools/run/slot_weights.h"
#include "tools/run/token_dispatch.h"
#include "tools/run/token_traffic.h"

namespace eplb {
namespace {

// A dump has about so many lines; each takes one more round of the ranks.
constexpr int kDumpLines = 1000;

EplbConfig ConfigOf(const RunOptions& options) {
  EplbConfig config;
  config.window_size = options.window;
  config.step_interval = options.interval;
  config.num_redundant_experts = options.redundant;
  config.policy = options.policy.policy;
  config.use_async = options.use_async;
  config.max_moves_per_layer = options.policy.max_moves_per_layer;
  config.target_balancedness = options.policy.target_balancedness;
  config.min_balancedness_gain = options.min_balancedness_gain;
  config.load_decay = options.load_decay;
  config.verify_checksums = options.verify_checksums;
  config.staging_bytes = options.staging_bytes;
  config.transfer_bytes_per_step = options.transfer_bytes_per_step;
  config.switch_bytes_per_step = options.switch_bytes_per_step;
  config.collective_timeout = options.timeout;
  config.log_balancedness = !options.dump_dir.empty();
  config.log_balancedness_interval = 1 + options.traffic.steps / kDumpLines;
  config.expert_load_dump_dir = options.dump_dir;
  return config;
}

// The parts of a rank, in the order in which they need each other.
class RankRun {
 public:
  explicit RankRun(const RankJob& job)
      : job_(job),
        options_(*job.options),
        model_({.num_layers = job.options->traffic.layers,
                .num_logical_experts = job.options->traffic.experts,
                .expert_bytes = job.options->expert_bytes,
                .seed = static_cast<uint64_t>(job.options->traffic.seed)}),
        // Ranks share the cores of the machine already.
        device_({.num_threads = 1}),
        trace_(*job.clock, job.rank),
        balance_(model_.num_layers(), job.num_ranks) {}

  absl::Status Connect();
  absl::Status Start();
  // False when a rank wishes to stop.
  absl::StatusOr<bool> Step(int64_t step);
  absl::StatusOr<RunResult> Finish(int64_t steps);

 private:
  SteadyTime Deadline() const { return job_.clock->Now() + options_.timeout; }
  ModelShape Shape() const;
  absl::StatusOr<std::vector<int>> NodeOfRank();
  absl::Status MakeBalancer();
  absl::Status MakeTraffic();
  absl::StatusOr<bool> AnyRankStops();
  // Hands the pass to the balancer, and times how long the pass has to wait.
  absl::Status StepBalancer(int64_t step);
  void ShowProgress(int64_t step);
  absl::Status Verify();
  absl::Status WriteFiles(const RunResult& result,
                          absl::Span<const int64_t> expert_loads) const;

  const RankJob& job_;
  const RunOptions& options_;
  const ExpertModel model_;
  CpuDevice device_;
  RunEvents events_;
  ChromeTraceEventSink trace_;
  EventFanOut all_events_{{&events_, &trace_}};
  PhaseBalance balance_;
  RankFigures figures_;

  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<Communicator> tokens_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<SlotWeights> weights_;
  std::unique_ptr<EplbState> state_;
  std::vector<LayerView> views_;
  std::unique_ptr<TokenDispatch> dispatch_;
  std::unique_ptr<ForwardPass> pass_;
  std::unique_ptr<SlotAudit> audit_;
  std::optional<TokenTraffic> traffic_;
};

ModelShape RankRun::Shape() const {
  return {.num_layers = options_.traffic.layers,
          .num_logical_experts = options_.traffic.experts,
          .num_redundant_experts = options_.redundant,
          .num_expert_groups = options_.groups};
}

absl::Status RankRun::Connect() {
  std::vector<int> members(job_.num_ranks);
  std::iota(members.begin(), members.end(), 0);
  EPLB_ASSIGN_OR_RETURN(
      communicator_, job_.factory->Connect(/*epoch=*/1, members, Deadline()));
  EPLB_ASSIGN_OR_RETURN(tokens_, communicator_->Clone("tokens", Deadline()));
  return absl::OkStatus();
}

absl::Status RankRun::Start() {
  EPLB_RETURN_IF_ERROR(MakeBalancer());
  const int slots_per_rank = Shape().num_physical_experts() / job_.num_ranks;
  dispatch_ = std::make_unique<TokenDispatch>(*tokens_, slots_per_rank);
  pass_ = std::make_unique<ForwardPass>(
      ForwardPassOptions{.rank = job_.rank,
                         .num_ranks = job_.num_ranks,
                         .slots_per_rank = slots_per_rank,
                         .tokens = options_.tokens},
      ForwardPassParts{.model = &model_,
                       .weights = weights_.get(),
                       .dispatch = dispatch_.get(),
                       .device = &device_,
                       .stream = stream_.get()});
  audit_ = std::make_unique<SlotAudit>(*weights_, job_.rank, slots_per_rank,
                                       Shape().num_physical_experts());
  audit_->CheckChanges(views_);
  return MakeTraffic();
}

absl::StatusOr<std::vector<int>> RankRun::NodeOfRank() {
  const bool is_said = options_.nodes > 1 || options_.is_in_process();
  EPLB_ASSIGN_OR_RETURN(
      const Topology topology,
      is_said ? Topology::Uniform(job_.num_ranks, options_.nodes)
              : DetectTopology(*communicator_, MachineIdentity(), Deadline()));
  std::vector<int> nodes;
  for (int rank = 0; rank < job_.num_ranks; ++rank) {
    nodes.push_back(topology.node_of_rank(rank));
  }
  return nodes;
}

absl::Status RankRun::MakeBalancer() {
  EPLB_ASSIGN_OR_RETURN(stream_, device_.CreateStream());
  EPLB_ASSIGN_OR_RETURN(const Placement initial, Placement::Initial(Shape()));
  weights_ = std::make_unique<SlotWeights>(
      model_, Shape().num_physical_experts() / job_.num_ranks);
  weights_->Fill(initial, job_.rank);

  EplbDependencies dependencies;
  dependencies.name = "run";
  dependencies.control = communicator_.get();
  EPLB_ASSIGN_OR_RETURN(dependencies.node_of_job_rank, NodeOfRank());
  dependencies.policies = job_.policies;
  dependencies.device = &device_;
  dependencies.clock = job_.clock;
  dependencies.events = &all_events_;
  EPLB_ASSIGN_OR_RETURN(state_,
                        EplbState::Create(ConfigOf(options_), dependencies));
  EPLB_ASSIGN_OR_RETURN(ExpertWeights weights, weights_->View());
  EPLB_RETURN_IF_ERROR(state_->AddModel("run", Shape(), std::move(weights)));
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    views_.push_back(state_->layer_view(/*model=*/0, layer));
  }
  return state_->StartBackground();
}

absl::Status RankRun::MakeTraffic() {
  const auto seed = static_cast<uint64_t>(options_.traffic.seed);
  if (job_.trace != nullptr) {
    traffic_ = TokenTraffic::Recorded(job_.trace, seed, job_.rank);
    return absl::OkStatus();
  }
  EPLB_ASSIGN_OR_RETURN(const TrafficSpec spec,
                        ParseTrafficSpec(options_.traffic.traffic));
  EPLB_ASSIGN_OR_RETURN(
      traffic_,
      TokenTraffic::Synthetic(spec, model_.num_layers(),
                              model_.num_logical_experts(), seed, job_.rank));
  return absl::OkStatus();
}

absl::StatusOr<bool> RankRun::AnyRankStops() {
  int64_t wishes = job_.stop->requested() ? 1 : 0;
  EPLB_RETURN_IF_ERROR(
      tokens_->AllReduceSum(absl::MakeSpan(&wishes, 1), Deadline()));
  return wishes > 0;
}

absl::StatusOr<bool> RankRun::Step(int64_t step) {
  EPLB_ASSIGN_OR_RETURN(const bool stops, AnyRankStops());
  if (stops) return false;
  EPLB_RETURN_IF_ERROR(pass_->Run(step, *traffic_, views_, Deadline()));
  for (int layer = 0; layer < model_.num_layers(); ++layer) {
    balance_.AddLayer(layer, pass_->rank_loads(layer));
  }
  EPLB_RETURN_IF_ERROR(StepBalancer(step));
  balance_.EndStep(audit_->CheckChanges(views_));
  ShowProgress(step);
  EPLB_RETURN_IF_ERROR(traffic_->NextStep());
  return true;
}

absl::Status RankRun::StepBalancer(int64_t step) {
  StepOptions options;
  options.forward_id = step;
  options.stream = stream_.get();
  const SteadyTime begin = job_.clock->Now();
  const absl::Status status = state_->Step(options);
  const int64_t stall = (job_.clock->Now() - begin).count();
  figures_.longest_stall_ns = std::max(figures_.longest_stall_ns, stall);
  figures_.total_stall_ns += stall;
  return status;
}

void RankRun::ShowProgress(int64_t step) {
  if (job_.output == nullptr) return;
  for (const std::string& warning : events_.TakeWarnings()) {
    job_.output->Warn(warning);
  }
  job_.output->ShowProgress(absl::StrFormat(
      "step %d of %d, balancedness %.3f, next rearrangement in %d steps, %d "
      "slots moved",
      step + 1, options_.traffic.steps, balance_.now(),
      state_->steps_until_rearrangement(), events_.totals().moved_slots));
}

absl::Status RankRun::Verify() {
  audit_->CheckAll(views_, state_->placement(/*model=*/0));
  figures_.weights_verified = audit_->wrong().empty();
  figures_.outputs_match = pass_->mismatch().empty();
  figures_.slots_checked = audit_->slots_checked();
  figures_.outputs_checked = pass_->outputs_checked();
  EPLB_RETURN_IF_ERROR(figures_.Gather(*tokens_, Deadline()));
  const std::string& wrong =
      audit_->wrong().empty() ? pass_->mismatch() : audit_->wrong();
  EPLB_ASSIGN_OR_RETURN(const std::string first_wrong,
                        FirstSentence(*tokens_, wrong, Deadline()));
  return first_wrong.empty() ? absl::OkStatus()
                             : absl::InternalError(first_wrong);
}

absl::Status RankRun::WriteFiles(const RunResult& result,
                                 absl::Span<const int64_t> expert_loads) const {
  absl::Status status;
  if (!options_.trace_out.empty()) {
    status.Update(ReplaceFile(options_.trace_out, trace_.Json()));
  }
  if (!options_.report.empty()) {
    status.Update(WriteReport(
        options_.report,
        RunReport(options_, result, balance_, events_.rearrangements(),
                  expert_loads, state_->placement(/*model=*/0))));
  }
  return status;
}

absl::StatusOr<RunResult> RankRun::Finish(int64_t steps) {
  if (job_.output != nullptr) job_.output->ClearProgress();
  // What the ranks have agreed on switches now, and nothing moves any more.
  EPLB_RETURN_IF_ERROR(state_->Drain());
  audit_->CheckChanges(views_);
  EPLB_RETURN_IF_ERROR(Verify());
  std::vector<int64_t> expert_loads(pass_->expert_loads().begin(),
                                    pass_->expert_loads().end());
  EPLB_RETURN_IF_ERROR(
      tokens_->AllReduceSum(absl::MakeSpan(expert_loads), Deadline()));
  const RunEvents::Totals totals = events_.totals();
  RunResult result{.backend = options_.backend,
                   .num_ranks = job_.num_ranks,
                   .steps = steps,
                   .policy = options_.policy.policy,
                   .use_async = options_.use_async,
                   .balancedness_before = balance_.before(),
                   .balancedness_after = balance_.after(),
                   .rearrangements = totals.rearrangements,
                   .moved_slots = totals.moved_slots,
                   .moved_bytes = totals.moved_bytes,
                   .figures = figures_};
  // The others have no part in it: the result stands without the files.
  if (job_.rank == 0) result.files_written = WriteFiles(result, expert_loads);
  return result;
}

// Nothing was served yet, so that a rank that is missing is no loss: it may
// have stopped for the same wish.
bool StoppedBeforeTheyMet(const RankJob& job, const absl::Status& connected) {
  const bool waited_in_vain = absl::IsDeadlineExceeded(connected) ||
                              absl::IsUnavailable(connected) ||
                              absl::IsAborted(connected);
  if (!waited_in_vain || !job.stop->requested()) return false;
  if (job.output != nullptr) {
    job.output->Warn(absl::StrCat("stopped after 0 of ",
                                  job.options->traffic.steps,
                                  " steps, before all ranks had met"));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::optional<RunResult>> RunRank(const RankJob& job) {
  RankRun run(job);
  const absl::Status connected = run.Connect();
  if (StoppedBeforeTheyMet(job, connected)) return std::nullopt;
  EPLB_RETURN_IF_ERROR(connected);
  EPLB_RETURN_IF_ERROR(run.Start());
  int64_t steps = 0;
  while (steps < job.options->traffic.steps) {
    EPLB_ASSIGN_OR_RETURN(const bool goes_on, run.Step(steps));
    if (!goes_on) break;
    ++steps;
  }
  EPLB_ASSIGN_OR_RETURN(RunResult result, run.Finish(steps));
  return std::optional<RunResult>(std::move(result));
}

}  // namespace eplb
