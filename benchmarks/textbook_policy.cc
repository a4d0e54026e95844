#include "benchmarks/textbook_policy.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policies/layer_planner.h"
#include "policies/placement_policy.h"

namespace eplb {
namespace {

struct Replica {
  double load;
  int32_t position;  // in the list of replicas: ties go to the lower one
  int32_t expert;
};

// The largest load / count on top, the lower expert first.
struct LessUrgent {
  bool operator()(const Replica& a, const Replica& b) const {
    return a.load != b.load ? a.load < b.load : a.expert > b.expert;
  }
};

std::vector<Replica> Replicate(absl::Span<const int64_t> loads,
                               size_t num_slots, std::vector<int32_t>& counts) {
  std::vector<int32_t> expert_of_replica;
  std::priority_queue<Replica, std::vector<Replica>, LessUrgent> queue;
  counts.assign(loads.size(), 1);
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    const int32_t e = static_cast<int32_t>(expert);
    expert_of_replica.push_back(e);
    queue.push({static_cast<double>(loads[expert]), 0, e});
  }
  while (expert_of_replica.size() < num_slots) {
    const int32_t expert = queue.top().expert;
    queue.pop();
    expert_of_replica.push_back(expert);
    queue.push(
        {static_cast<double>(loads[expert]) / ++counts[expert], 0, expert});
  }
  std::vector<Replica> replicas;
  for (size_t i = 0; i < num_slots; ++i) {
    const int32_t expert = expert_of_replica[i];
    replicas.push_back({static_cast<double>(loads[expert]) / counts[expert],
                        static_cast<int32_t>(i), expert});
  }
  return replicas;
}

}  // namespace

void TextbookLayerPlanner::PlanLayer(absl::Span<const int64_t> loads,
                                     absl::Span<const int32_t>,
                                     absl::Span<int32_t> experts) {
  std::vector<Replica> replicas =
      Replicate(loads, experts.size(), replica_counts_);
  std::sort(
      replicas.begin(), replicas.end(), [](const Replica& a, const Replica& b) {
        return a.load != b.load ? a.load > b.load : a.position < b.position;
      });
  using RankLoad = std::pair<double, int>;
  std::priority_queue<RankLoad, std::vector<RankLoad>, std::greater<RankLoad>>
      ranks;
  for (int rank = 0; rank < num_ranks_; ++rank) ranks.push({0, rank});
  const int slots_per_rank = static_cast<int>(experts.size()) / num_ranks_;
  std::vector<int> filled(num_ranks_, 0);
  slots_of_expert_.assign(loads.size(), {});
  for (const Replica& replica : replicas) {
    const auto [load, rank] = ranks.top();
    ranks.pop();
    const int slot = rank * slots_per_rank + filled[rank];
    experts[slot] = replica.expert;
    slots_of_expert_[replica.expert].push_back(slot);
    if (++filled[rank] < slots_per_rank) {
      ranks.push({load + replica.load, rank});
    }
  }
}

absl::StatusOr<std::vector<int32_t>> TextbookPolicy::ChoosePlacement(
    const PlacementRequest& request, std::vector<std::string>&) const {
  const int num_ranks = request.topology->num_active_ranks();
  return PlanLayers(request, [&] {
    return std::make_unique<TextbookLayerPlanner>(num_ranks);
  });
}

}  // namespace eplb
