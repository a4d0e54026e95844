#include "policies/hierarchical_planner/hierarchical_reference.h"

#include <cstdint>
#include <vector>

#include "policies/hierarchical_planner/hierarchical_layer_planner.h"

namespace eplb {
namespace {

__extension__ using Int128 = __int128;

struct Item {
  Int128 load = 0;
  int64_t count = 1;  // the item weighs load / count
};

bool WeighsMore(const Item& a, const Item& b) {
  return a.load * b.count > b.load * a.count;
}

// Returns for each bin the indices of its items in order of arrival.
std::vector<std::vector<int>> PackBalanced(const std::vector<Item>& items,
                                           int num_bins) {
  const size_t capacity = items.size() / num_bins;
  std::vector<std::vector<int>> bins(num_bins);
  if (capacity == 1) {
    for (int bin = 0; bin < num_bins; ++bin) bins[bin].push_back(bin);
    return bins;
  }
  std::vector<double> bin_loads(num_bins, 0.0);
  std::vector<bool> is_packed(items.size(), false);
  for (size_t round = 0; round < items.size(); ++round) {
    int heaviest = -1;
    for (size_t i = 0; i < items.size(); ++i) {
      if (is_packed[i]) continue;
      if (heaviest < 0 || WeighsMore(items[i], items[heaviest])) heaviest = i;
    }
    is_packed[heaviest] = true;
    int lightest = -1;
    for (int bin = 0; bin < num_bins; ++bin) {
      if (bins[bin].size() == capacity) continue;
      if (lightest < 0 || bin_loads[bin] < bin_loads[lightest]) lightest = bin;
    }
    bins[lightest].push_back(heaviest);
    bin_loads[lightest] += static_cast<double>(items[heaviest].load) /
                           static_cast<double>(items[heaviest].count);
  }
  return bins;
}

// The expert of each slot of a node before packing.
std::vector<int> ReplicateExperts(const std::vector<int64_t>& loads,
                                  size_t num_slots) {
  std::vector<int> slots;
  std::vector<Item> experts;
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    slots.push_back(expert);
    experts.push_back({loads[expert], 1});
  }
  while (slots.size() < num_slots) {
    int most_loaded = 0;
    int fewest = 0;
    for (size_t expert = 1; expert < experts.size(); ++expert) {
      if (WeighsMore(experts[expert], experts[most_loaded])) {
        most_loaded = expert;
      }
      if (experts[expert].count < experts[fewest].count) fewest = expert;
    }
    const int next = experts[most_loaded].load > 0 ? most_loaded : fewest;
    ++experts[next].count;
    slots.push_back(next);
  }
  return slots;
}

std::vector<int32_t> PlanNode(const LayerGrid& grid,
                              const std::vector<int64_t>& loads) {
  const std::vector<int> slots =
      ReplicateExperts(loads, grid.ranks_per_node * grid.slots_per_rank);
  std::vector<int64_t> counts(loads.size(), 0);
  for (const int expert : slots) ++counts[expert];
  std::vector<Item> replicas;
  for (const int expert : slots) {
    replicas.push_back({loads[expert], counts[expert]});
  }
  std::vector<int32_t> plan;
  for (const auto& rank : PackBalanced(replicas, grid.ranks_per_node)) {
    for (const int slot : rank) plan.push_back(slots[slot]);
  }
  return plan;
}

}  // namespace

std::vector<int32_t> HierarchicalReference(const LayerGrid& grid,
                                           const std::vector<int64_t>& loads) {
  const int group_size = grid.num_experts / grid.num_groups;
  std::vector<Item> groups(grid.num_groups);
  for (int expert = 0; expert < grid.num_experts; ++expert) {
    groups[expert / group_size].load += loads[expert];
  }
  std::vector<int32_t> plan;
  for (const auto& node : PackBalanced(groups, grid.num_nodes)) {
    std::vector<int32_t> experts;
    std::vector<int64_t> node_loads;
    for (const int group : node) {
      for (int i = 0; i < group_size; ++i) {
        experts.push_back(group * group_size + i);
        node_loads.push_back(loads[experts.back()]);
      }
    }
    for (const int32_t expert : PlanNode(grid, node_loads)) {
      plan.push_back(experts[expert]);
    }
  }
  return plan;
}

}  // namespace eplb
