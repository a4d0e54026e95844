#include "tools/inspect_placement.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/json_writer.h"
#include "eplb/load/placement_file.h"
#include "policies/placement_score.h"
#include "tools/command/command_output.h"
#include "tools/output_format.h"
#include "tools/placement_text.h"
#include "tools/slot_counts.h"

namespace eplb {
namespace {

std::string PlacementJson(const std::string& name, const PlacementFile& file) {
  const Placement& placement = file.placement;
  JsonWriter json;
  json.BeginObject()
      .Field("format", "eplb.inspection/1")
      .Field("file", name)
      .Field("kind", "placement")
      .Field("policy", file.policy)
      .Field("num_layers", placement.num_layers())
      .Field("num_logical_experts", placement.num_logical_experts())
      .Field("num_physical_experts", placement.num_slots())
      .Field("num_ranks", file.num_ranks)
      .Field("num_nodes", file.num_nodes)
      .Field("num_groups", file.num_groups)
      // As text: readers of JSON may keep numbers as doubles.
      .Field("hash", absl::StrFormat("%016x", placement.Hash()))
      .Key("layers")
      .BeginArray();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const SlotCounts counts = CountSlots(placement, file.num_ranks, layer);
    json.BeginObject()
        .Field("most_replicas", counts.most_replicas)
        .Field("duplicate_slots", counts.duplicate_slots)
        .Field("empty_slots", counts.empty_slots);
    if (!file.layers.empty()) {
      const LayerScore& score = file.layers[layer];
      json.Field("balancedness", score.balancedness)
          .Field("bound", score.bound)
          .Field("moved_slots", score.moved_slots);
    }
    json.EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace

absl::Status InspectPlacement(const std::string& name,
                              const OutputFormat& format,
                              CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const PlacementFile file, ReadPlacementFile(name));
  output.Print(format.is_json()
                   ? absl::StrCat(PlacementJson(name, file), "\n")
                   : absl::StrCat(name, ": a placement\n",
                                  PlacementText(file, output.color())));
  return absl::OkStatus();
}

}  // namespace eplb
