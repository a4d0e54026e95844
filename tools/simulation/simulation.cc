#include "tools/simulation/simulation.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/load/recorded_loads.h"
#include "policies/placement_policy.h"
#include "tools/simulation/placement_replay.h"
#include "tools/simulation/trace_window.h"

namespace eplb {
namespace {

// Mean and smallest of the steps that had tokens.
double MeanOfSteps(const std::vector<double>& balancedness) {
  double sum = 0;
  int64_t steps = 0;
  for (const double value : balancedness) {
    sum += value;
    steps += value > 0;
  }
  return steps == 0 ? 1 : sum / static_cast<double>(steps);
}

double WorstOfSteps(const std::vector<double>& balancedness) {
  double worst = 1;
  for (const double value : balancedness) {
    if (value > 0) worst = std::min(worst, value);
  }
  return worst;
}

absl::Status Validate(const RecordedLoads& trace,
                      const SimulationOptions& options) {
  if (options.interval < 1 || options.window < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("interval ", options.interval, ", window ", options.window,
                     ": each must be at least 1 step"));
  }
  if (trace.num_steps() <= options.first_rearrangement()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the trace has ", trace.num_steps(), " steps, and with an interval of ",
        options.interval, " the first placement is made after ",
        options.first_rearrangement(), ": no step is left to score it on"));
  }
  // So that no window of it can overflow.
  return trace.SumOverSteps().status();
}

void AddWarnings(const std::vector<std::string>& from,
                 std::vector<std::string>& to) {
  for (const std::string& warning : from) {
    if (std::find(to.begin(), to.end(), warning) == to.end()) {
      to.push_back(warning);
    }
  }
}

class Simulator {
 public:
  Simulator(const RecordedLoads& trace, const SimulationOptions& options,
            const ModelShape& shape, Topology topology, Placement initial)
      : trace_(trace),
        options_(options),
        shape_(shape),
        topology_(std::move(topology)),
        placement_(std::move(initial)),
        window_(trace),
        without_(placement_, options.num_ranks) {}

  absl::StatusOr<Simulation> Run(const SimulationProgress& progress) {
    simulation_.expert_loads.resize(trace_.step(0).size());
    int64_t begin = options_.first_rearrangement();
    if (progress) progress(begin);
    while (begin < trace_.num_steps()) {
      EPLB_RETURN_IF_ERROR(Rearrange(begin));
      const int64_t end =
          std::min(trace_.num_steps() - begin, options_.interval) + begin;
      Score(begin, end);
      if (progress) progress(end - begin);
      begin = end;
    }
    simulation_.rank_loads_without = without_.rank_loads();
    simulation_.placement = std::move(placement_);
    return std::move(simulation_);
  }

 private:
  // Makes the placement that serves from `step` on.
  absl::Status Rearrange(int64_t step) {
    EPLB_ASSIGN_OR_RETURN(
        const ExpertLoads loads,
        window_.Sum(std::max<int64_t>(step - options_.window, 0), step));
    const auto start = std::chrono::steady_clock::now();
    EPLB_ASSIGN_OR_RETURN(
        PlacementResult result,
        options_.policy->Place(
            {.shape = shape_,
             .loads = &loads,
             .topology = &topology_,
             .current = &placement_,
             .max_moves_per_layer = options_.max_moves_per_layer,
             .target_balancedness = options_.target_balancedness}));
    const std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    simulation_.rearrangements.push_back({.step = step,
                                          .moved_slots = result.moved_slots(),
                                          .plan_seconds = seconds.count()});
    AddWarnings(result.warnings, simulation_.warnings);
    placement_ = std::move(result.placement);
    return absl::OkStatus();
  }

  // Scores the steps [begin, end) by the placement in force.
  void Score(int64_t begin, int64_t end) {
    PlacementReplay with(placement_, options_.num_ranks);
    for (int64_t step = begin; step < end; ++step) {
      const absl::Span<const int64_t> loads = trace_.step(step);
      simulation_.balancedness.push_back(with.Step(loads));
      simulation_.balancedness_without.push_back(without_.Step(loads));
      for (size_t i = 0; i < loads.size(); ++i) {
        simulation_.expert_loads[i] += loads[i];
      }
    }
    std::vector<double>& sums = simulation_.rank_loads;
    sums.resize(with.rank_loads().size());
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += with.rank_loads()[i];
  }

  const RecordedLoads& trace_;
  const SimulationOptions& options_;
  const ModelShape shape_;
  const Topology topology_;
  Placement placement_;
  TraceWindow window_;
  PlacementReplay without_;
  Simulation simulation_;
};

}  // namespace

int64_t Simulation::moved_slots() const {
  int64_t slots = 0;
  for (const SimulatedRearrangement& rearrangement : rearrangements) {
    slots += rearrangement.moved_slots;
  }
  return slots;
}

double Simulation::mean_balancedness() const {
  return MeanOfSteps(balancedness);
}

double Simulation::worst_balancedness() const {
  return WorstOfSteps(balancedness);
}

double Simulation::mean_balancedness_without() const {
  return MeanOfSteps(balancedness_without);
}

double Simulation::mean_moved_slots() const {
  return static_cast<double>(moved_slots()) /
         static_cast<double>(rearrangements.size());
}

double Simulation::mean_plan_seconds() const {
  double seconds = 0;
  for (const SimulatedRearrangement& rearrangement : rearrangements) {
    seconds += rearrangement.plan_seconds;
  }
  return seconds / static_cast<double>(rearrangements.size());
}

absl::StatusOr<Simulation> Simulate(const RecordedLoads& trace,
                                    const SimulationOptions& options,
                                    const SimulationProgress& progress) {
  EPLB_RETURN_IF_ERROR(Validate(trace, options));
  const ModelShape shape{.num_layers = trace.num_layers(),
                         .num_logical_experts = trace.num_logical_experts(),
                         .num_redundant_experts = options.num_redundant_experts,
                         .num_expert_groups = options.num_groups};
  EPLB_RETURN_IF_ERROR(shape.Validate());
  EPLB_RETURN_IF_ERROR(ValidateSlotsPerRank(shape, options.num_ranks));
  EPLB_ASSIGN_OR_RETURN(
      Topology topology,
      Topology::Uniform(options.num_ranks, options.num_nodes));
  EPLB_ASSIGN_OR_RETURN(Placement initial, Placement::Initial(shape));
  return Simulator(trace, options, shape, std::move(topology),
                   std::move(initial))
      .Run(progress);
}

}  // namespace eplb
