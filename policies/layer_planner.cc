#include "policies/layer_planner.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "policies/placement_policy.h"

namespace eplb {
namespace {

// Stands between the tables of all ranks and a planner that
// sees the active ranks only.
class ActiveRankPlanner {
 public:
  ActiveRankPlanner(const PlacementRequest& request,
                    const std::vector<int>& ranks, absl::Span<int32_t> experts,
                    std::unique_ptr<LayerPlanner> planner)
      : request_(request),
        ranks_(ranks),
        experts_(experts),
        planner_(std::move(planner)),
        num_slots_(request.shape.num_physical_experts()),
        slots_per_rank_(request.slots_per_rank()),
        // Ranks in their own order need no copying back and forth.
        in_order_(num_slots_ == ranks.size() * slots_per_rank_ &&
                  std::is_sorted(ranks.begin(), ranks.end())),
        planned_(in_order_ ? 0 : ranks.size() * slots_per_rank_),
        current_(request.current == nullptr ? 0 : planned_.size()) {}

  void PlanLayer(int layer) {
    const absl::Span<const int64_t> loads = request_.loads->layer(layer);
    absl::Span<const int32_t> current;
    if (request_.current != nullptr) {
      current = request_.current->experts_of_slots(layer);
    }
    const absl::Span<int32_t> row =
        experts_.subspan(static_cast<size_t>(layer) * num_slots_, num_slots_);
    if (in_order_) {
      planner_->PlanLayer(loads, current, row);
      return;
    }
    for (size_t i = 0; i < ranks_.size() && !current.empty(); ++i) {
      CopyRank(current, ranks_[i], absl::MakeSpan(current_), i);
    }
    planner_->PlanLayer(loads, current_, absl::MakeSpan(planned_));
    for (size_t i = 0; i < ranks_.size(); ++i) {
      CopyRank(planned_, i, row, ranks_[i]);
    }
  }

 private:
  void CopyRank(absl::Span<const int32_t> from, size_t from_rank,
                absl::Span<int32_t> to, size_t to_rank) const {
    const absl::Span<const int32_t> slots =
        from.subspan(from_rank * slots_per_rank_, slots_per_rank_);
    std::copy(slots.begin(), slots.end(),
              to.begin() + to_rank * slots_per_rank_);
  }

  const PlacementRequest& request_;
  const std::vector<int>& ranks_;
  const absl::Span<int32_t> experts_;
  const std::unique_ptr<LayerPlanner> planner_;
  const size_t num_slots_;
  const size_t slots_per_rank_;
  const bool in_order_;
  std::vector<int32_t> planned_;
  std::vector<int32_t> current_;
};

}  // namespace

std::vector<int> ActiveRanksByNode(const Topology& topology) {
  const absl::Span<const int> active = topology.active_ranks();
  std::vector<int> ranks(active.begin(), active.end());
  std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) {
    return topology.node_of_rank(a) < topology.node_of_rank(b);
  });
  return ranks;
}

absl::StatusOr<std::vector<int32_t>> PlanLayers(
    const PlacementRequest& request,
    const std::function<std::unique_ptr<LayerPlanner>()>& make_planner) {
  const int num_layers = request.shape.num_layers;
  const std::vector<int> ranks = ActiveRanksByNode(*request.topology);
  std::vector<int32_t> experts(
      static_cast<size_t>(num_layers) * request.shape.num_physical_experts(),
      Placement::kEmptySlot);
  // Layers do not depend on each other, so that neither the number of threads
  // nor their order shows in the result.
  std::atomic<int> next_layer = 0;
  std::atomic<bool> is_out_of_memory = false;
  const auto plan_layers = [&] {
    try {
      ActiveRankPlanner planner(request, ranks, absl::MakeSpan(experts),
                                make_planner());
      for (int layer; (layer = next_layer++) < num_layers;) {
        planner.PlanLayer(layer);
      }
    } catch (const std::bad_alloc&) {
      // An exception that left a thread would end the program.
      is_out_of_memory = true;
    }
  };
  std::vector<std::thread> threads;
  try {
    for (int i = 1; i < std::min(request.num_threads, num_layers); ++i) {
      threads.emplace_back(plan_layers);
    }
  } catch (const std::system_error&) {
    // The machine has no more threads to give: those there are do the work.
  } catch (const std::bad_alloc&) {
    // Nor memory for them.
  }
  plan_layers();
  for (std::thread& thread : threads) thread.join();
  if (is_out_of_memory) {
    return absl::ResourceExhaustedError(
        absl::StrCat("planning ", num_layers, " layers ran out of memory"));
  }
  return experts;
}

}  // namespace eplb
