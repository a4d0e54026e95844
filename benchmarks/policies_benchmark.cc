// How long policies plan, how even their placements are, and what they move.
//
//   bazel run -c opt //benchmarks:policies
//   bazel run -c opt //benchmarks:policies -- --benchmark_filter=Place/refined
//
// Every time is of the whole model, one thread unless said, and layers are
// never planned twice in a row. Machines differ and are shared, so the figure
// to quote is `x_textbook`: the median of the ratios to the textbook
// implementation (textbook_policy.h), which plans the same loads in turn.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "benchmarks/placement_workload.h"
#include "benchmarks/textbook_policy.h"
#include "eplb/core/placement.h"
#include "policies/builtin_policies.h"
#include "policies/hierarchical_planner/hierarchical_layer_planner.h"
#include "policies/load_order/avx512.h"
#include "policies/policy_registry.h"

namespace eplb {
namespace {

using Seconds = std::chrono::duration<double>;

template <typename Work>
double SecondsOf(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2,
                   values.end());
  return values[values.size() / 2];
}

// Quality over many plans, as counters of a benchmark.
class QualityCounters {
 public:
  void Add(const PlacementResult& result) {
    double of_bound = 0;
    for (const LayerScore& layer : result.layers) {
      ++num_layers_;
      balancedness_ += layer.balancedness;
      worst_ = std::min(worst_, layer.balancedness);
      of_bound += layer.balancedness / layer.bound;
      worst_of_bound_ =
          std::min(worst_of_bound_, layer.balancedness / layer.bound);
      duplicates_ += layer.duplicate_slots;
      moved_ += layer.moved_slots;
    }
    of_bound_ += of_bound;
    worst_plan_of_bound_ =
        std::min(worst_plan_of_bound_,
                 of_bound / static_cast<double>(result.layers.size()));
    num_slots_ +=
        int64_t{result.placement.num_layers()} * result.placement.num_slots();
  }

  void Report(benchmark::State& state) const {
    const double layers = static_cast<double>(num_layers_);
    state.counters["bal"] = balancedness_ / layers;
    state.counters["bal_worst"] = worst_;
    state.counters["of_bound"] = of_bound_ / layers;
    state.counters["of_bound_worst"] = worst_of_bound_;
    state.counters["of_bound_worst_plan"] = worst_plan_of_bound_;
    state.counters["dup_per_layer"] = duplicates_ / layers;
    state.counters["moved_%"] =
        100.0 * moved_ / static_cast<double>(num_slots_);
  }

 private:
  int64_t num_layers_ = 0;
  int64_t num_slots_ = 0;
  double balancedness_ = 0;
  double worst_ = 1;
  double of_bound_ = 0;
  double worst_of_bound_ = 1;
  double worst_plan_of_bound_ = 1;  // the mean of its layers
  double duplicates_ = 0;
  double moved_ = 0;
};

PlacementResult PlaceOrDie(const PlacementPolicy& policy,
                           const PlacementRequest& request) {
  absl::StatusOr<PlacementResult> result = policy.Place(request);
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    std::exit(1);
  }
  return *std::move(result);
}

// An iteration is a sequence of plans of many layers; the counters are for one
// of each.
void ReportTimePerPlan(benchmark::State& state,
                       const PlacementWorkload& workload) {
  const auto time_per = benchmark::Counter::kIsIterationInvariantRate |
                        benchmark::Counter::kInvert;
  const double num_plans = static_cast<double>(workload.steps().size());
  state.counters["s_per_plan"] = benchmark::Counter(num_plans, time_per);
  state.counters["s_per_layer"] =
      benchmark::Counter(num_plans * workload.shape().num_layers, time_per);
}

// Plans `workload` step after step, each from the placement before, and the
// same steps by the textbook.
void BM_Place(benchmark::State& state, const PlacementPolicy& policy,
              const PlacementWorkload& workload, double target_balancedness,
              int num_threads) {
  const TextbookPolicy textbook;
  QualityCounters quality;
  std::vector<double> ratios;
  for (auto _ : state) {
    Placement current = workload.FirstPlacement();
    double seconds = 0;
    for (const ExpertLoads& loads : workload.steps()) {
      PlacementRequest request{.shape = workload.shape(),
                               .loads = &loads,
                               .topology = &workload.topology(),
                               .current = &current,
                               .target_balancedness = target_balancedness,
                               .num_threads = num_threads};
      std::optional<PlacementResult> result;
      const double step =
          SecondsOf([&] { result.emplace(PlaceOrDie(policy, request)); });
      request.num_threads = 1;
      const double textbook_step =
          SecondsOf([&] { PlaceOrDie(textbook, request); });
      quality.Add(*result);
      current = std::move(result->placement);
      seconds += step;
      ratios.push_back(step / textbook_step);
    }
    state.SetIterationTime(seconds);
  }
  quality.Report(state);
  ReportTimePerPlan(state, workload);
  state.counters["x_textbook"] = Median(std::move(ratios));
}

// The planner without what Place adds (checks, slots kept, scores).
void BM_PlanLayers(benchmark::State& state, const PlacementWorkload& workload,
                   bool use_avx512) {
  const int num_ranks = workload.topology().num_ranks();
  const ModelShape& shape = workload.shape();
  HierarchicalLayerPlanner planner(
      {.num_experts = shape.num_logical_experts,
       .ranks_per_node = num_ranks,
       .slots_per_rank = shape.num_physical_experts() / num_ranks},
      use_avx512);
  TextbookLayerPlanner textbook(num_ranks);
  const ExpertLoads& loads = workload.steps().front();
  const size_t num_slots = shape.num_physical_experts();
  std::vector<int32_t> experts(num_slots * loads.num_layers());
  std::vector<int32_t> textbook_experts(experts.size());
  const auto plan_all = [&](LayerPlanner& layer_planner,
                            std::vector<int32_t>& slots) {
    for (int layer = 0; layer < loads.num_layers(); ++layer) {
      layer_planner.PlanLayer(
          loads.layer(layer), {},
          absl::MakeSpan(slots).subspan(layer * num_slots, num_slots));
    }
    benchmark::DoNotOptimize(slots.data());
  };
  std::vector<double> ratios;
  int64_t wrong = 0;
  for (auto _ : state) {
    const double seconds = SecondsOf([&] { plan_all(planner, experts); });
    const double textbook_seconds =
        SecondsOf([&] { plan_all(textbook, textbook_experts); });
    ratios.push_back(seconds / textbook_seconds);
    wrong += experts != textbook_experts;
    state.SetIterationTime(seconds);
  }
  ReportTimePerPlan(state, workload);
  const double ratio = Median(std::move(ratios));
  state.counters["x_textbook"] = ratio;
  state.counters["times_faster"] = 1 / ratio;
  state.counters["wrong"] = static_cast<double>(wrong);
}

benchmark::internal::Benchmark* Configure(
    benchmark::internal::Benchmark* benchmark) {
  return benchmark->UseManualTime()->Unit(benchmark::kMillisecond);
}

// Benchmarks refer to what is made here for as long as the program runs.
class Registration {
 public:
  Registration() {
    if (absl::Status status = RegisterBuiltinPolicies(registry_);
        !status.ok()) {
      std::cerr << status << "\n";
      std::exit(1);
    }
  }

  void RegisterAll() {
    for (const WorkloadShape& shape : WorkloadShapes()) {
      for (const char* traffic :
           {"zipf:0.6", "zipf:1.0", "zipf:1.3", "lognormal:1", "lognormal:2"}) {
        const PlacementWorkload& workload = Add(Synthetic(shape, traffic, 1));
        for (const std::string& policy : registry_.Names()) {
          RegisterPlace(policy, workload);
        }
        RegisterPlanLayers(workload);
      }
      const PlacementWorkload& drifting =
          Add(Synthetic(shape, "lognormal:1.2,drift=0.99", 20));
      for (const std::string& policy : registry_.Names()) {
        if (policy != "incremental") RegisterPlace(policy, drifting);
      }
      for (const double target : {0.90, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995}) {
        RegisterPlace("incremental", drifting, target);
      }
    }
    const PlacementWorkload& domains = Add(GptOssDomains());
    for (const std::string& policy : registry_.Names()) {
      RegisterPlace(policy, domains);
    }
    // Two slots per rank, with known optima.
    for (const PlacementWorkload& exact : {ExactZipf({.name = "256/144",
                                          .num_layers = 8,
                                          .num_logical_experts = 256,
                                          .num_slots = 288,
                                          .num_ranks = 144},
                                                     0.6),
                                           ExactZipf({.name = "128/80",
                                           .num_layers = 8,
                                           .num_logical_experts = 128,
                                           .num_slots = 160,
                                           .num_ranks = 80},
                                                     0.6),
                                           EightExperts()}) {
      const PlacementWorkload& workload = Add(exact);
      for (const char* policy : {"greedy", "refined"}) {
        RegisterPlace(policy, workload);
      }
    }
    RegisterThreads();
    RegisterGrowth();
  }

 private:
  const PlacementWorkload& Add(PlacementWorkload workload) {
    workloads_.push_back(
        std::make_unique<PlacementWorkload>(std::move(workload)));
    return *workloads_.back();
  }

  void RegisterPlace(const std::string& policy,
                     const PlacementWorkload& workload,
                     double target_balancedness = 0.97, int num_threads = 1) {
    std::string name = absl::StrCat("Place/", policy, "/", workload.name());
    if (policy == "incremental") {
      absl::StrAppend(&name, "/target:", target_balancedness);
    }
    if (num_threads > 1) absl::StrAppend(&name, "/threads:", num_threads);
    Configure(benchmark::RegisterBenchmark(
        name.c_str(), BM_Place, std::cref(**registry_.Find(policy)),
        std::cref(workload), target_balancedness, num_threads));
  }

  void RegisterPlanLayers(const PlacementWorkload& workload) {
    for (const bool use_avx512 : {false, true}) {
      if (use_avx512 && !CpuHasAvx512()) continue;
      Configure(benchmark::RegisterBenchmark(
          absl::StrCat("PlanLayers/greedy_", use_avx512 ? "avx512" : "portable",
                       "/", workload.name())
              .c_str(),
          BM_PlanLayers, std::cref(workload), use_avx512));
    }
  }

  void RegisterThreads() {
    const PlacementWorkload& workload =
        Add(Synthetic(WorkloadShapes().front(), "zipf:1.3", 1));
    for (const int num_threads : {2, 4}) {
      RegisterPlace("refined", workload, 0.97, num_threads);
    }
  }

  void RegisterGrowth() {
    for (int experts = 256; experts <= 8192; experts *= 2) {
      RegisterPlanLayers(
          Add(Synthetic({.name = absl::StrCat("growth:", experts),
                         .num_layers = 8,
                         .num_logical_experts = experts,
                         .num_slots = experts + experts / 8,
                         .num_ranks = 32},
                        "zipf:1.0", 1)));
    }
  }

  PolicyRegistry registry_;
  std::vector<std::unique_ptr<PlacementWorkload>> workloads_;
};

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  eplb::Registration registration;
  registration.RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
