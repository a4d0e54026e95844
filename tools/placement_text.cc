#include "tools/placement_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/load/placement_file.h"
#include "policies/placement_score.h"
#include "tools/command/text_table.h"
#include "tools/slot_counts.h"

namespace eplb {
namespace {

std::string SizesText(const PlacementFile& file) {
  const Placement& placement = file.placement;
  TextTable table({{.title = "", .left = true}, {.title = "", .left = true}});
  if (!file.policy.empty()) table.AddRow({"policy", file.policy});
  table.AddRow({"layers", absl::StrCat(placement.num_layers())});
  table.AddRow(
      {"experts",
       absl::StrCat(placement.num_logical_experts(),
                    file.num_groups > 1
                        ? absl::StrCat(" in ", file.num_groups, " groups")
                        : "")});
  table.AddRow({"slots", absl::StrCat(placement.num_slots(), " per layer, ",
                                      placement.num_slots() / file.num_ranks,
                                      " per rank")});
  table.AddRow(
      {"ranks", absl::StrCat(file.num_ranks, " on ", file.num_nodes,
                             file.num_nodes == 1 ? " node" : " nodes")});
  if (!file.layers.empty()) {
    double sum = 0;
    int64_t moved = 0;
    for (const LayerScore& layer : file.layers) {
      sum += layer.balancedness;
      moved += layer.moved_slots;
    }
    const auto worst =
        std::min_element(file.layers.begin(), file.layers.end(),
                         [](const LayerScore& a, const LayerScore& b) {
                           return a.balancedness < b.balancedness;
                         });
    table.AddRow(
        {"balancedness",
         absl::StrFormat("%.4f mean, %.4f worst (layer %d)",
                         sum / static_cast<double>(file.layers.size()),
                         worst->balancedness, worst - file.layers.begin())});
    table.AddRow(
        {"moved slots", absl::StrFormat("%d of %d", moved,
                                        int64_t{placement.num_layers()} *
                                            placement.num_slots())});
  }
  if (file.plan_seconds > 0) {
    table.AddRow(
        {"planned in", absl::StrFormat("%.3f ms", file.plan_seconds * 1e3)});
  }
  return table.ToString(/*color=*/false);
}

// The layers to show, the worst first when there are many.
std::vector<int> ShownLayers(const PlacementFile& file) {
  constexpr size_t kMostLayers = 12;
  std::vector<int> layers(file.placement.num_layers());
  std::iota(layers.begin(), layers.end(), 0);
  if (layers.size() <= kMostLayers) return layers;
  if (!file.layers.empty()) {
    std::stable_sort(layers.begin(), layers.end(), [&](int a, int b) {
      return file.layers[a].balancedness < file.layers[b].balancedness;
    });
  }
  layers.resize(kMostLayers);
  return layers;
}

}  // namespace

std::string PlacementText(const PlacementFile& file, bool color) {
  const std::vector<int> shown = ShownLayers(file);
  const bool scored = !file.layers.empty();
  std::vector<TextColumn> columns = {
      {"layer"}, {"most replicas"}, {"duplicates"}, {"empty slots"}};
  if (scored) {
    for (const char* title : {"balancedness", "bound", "moved"}) {
      columns.push_back({title});
    }
  }
  TextTable table(columns);
  for (const int layer : shown) {
    const SlotCounts counts = CountSlots(file.placement, file.num_ranks, layer);
    std::vector<std::string> cells = {
        absl::StrCat(layer), absl::StrCat(counts.most_replicas),
        absl::StrCat(counts.duplicate_slots), absl::StrCat(counts.empty_slots)};
    if (scored) {
      const LayerScore& score = file.layers[layer];
      cells.push_back(absl::StrFormat("%.4f", score.balancedness));
      cells.push_back(absl::StrFormat("%.4f", score.bound));
      cells.push_back(absl::StrCat(score.moved_slots));
    }
    table.AddRow(cells);
  }
  const int num_layers = file.placement.num_layers();
  const bool all = static_cast<int>(shown.size()) == num_layers;
  return absl::StrCat(
      SizesText(file), "\n",
      all ? ""
          : absl::StrCat("the ", scored ? "worst " : "first ", shown.size(),
                         " of ", num_layers, " layers\n"),
      table.ToString(color));
}

}  // namespace eplb
