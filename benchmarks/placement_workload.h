// PlacementWorkload: a model, its ranks and the loads of some steps, for
// benchmarks of policies.

#ifndef EPLB_BENCHMARKS_PLACEMENT_WORKLOAD_H_
#define EPLB_BENCHMARKS_PLACEMENT_WORKLOAD_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

// The sizes of a deployment that people run.
struct WorkloadShape {
  std::string name;
  int num_layers = 0;
  int num_logical_experts = 0;
  int num_slots = 0;
  int num_ranks = 0;
};

// DeepSeek-R1 three ways, Kimi K2, Qwen3-235B and Qwen3-Next.
std::vector<WorkloadShape> WorkloadShapes();

// Thread-compatible.
class PlacementWorkload {
 public:
  PlacementWorkload(const WorkloadShape& shape, absl::string_view traffic,
                    std::vector<ExpertLoads> steps);

  const std::string& name() const { return name_; }
  const ModelShape& shape() const { return shape_; }
  const Topology& topology() const { return topology_; }
  const std::vector<ExpertLoads>& steps() const { return steps_; }

  // Where a sequence of plans begins: a greedy placement of the loads one step
  // before the first, or an initial one when there is a single step.
  Placement FirstPlacement() const { return first_placement_; }

 private:
  std::string name_;
  ModelShape shape_;
  Topology topology_;
  std::vector<ExpertLoads> steps_;
  Placement first_placement_;
};

// `num_steps` steps of synthetic traffic, a million tokens a layer and step.
PlacementWorkload Synthetic(const WorkloadShape& shape,
                            absl::string_view traffic, int num_steps);

// Every layer has the same loads: the r-th expert gets r^-skew.
PlacementWorkload ExactZipf(const WorkloadShape& shape, double skew);

// A layer of eight experts on eight ranks of two slots, whose smallest largest
// rank load is known: 196.67.
PlacementWorkload EightExperts();

// The recorded loads of GPT-OSS-20B, one step per domain: 40 slots, 8 ranks.
PlacementWorkload GptOssDomains();

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_PLACEMENT_WORKLOAD_H_
