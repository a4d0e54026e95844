#include "eplb/load/placement_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/input_file.h"
#include "eplb/load/json_fields.h"
#include "eplb/load/json_table.h"
#include "eplb/load/json_writer.h"
#include "eplb/load/output_file.h"
#include "eplb/load/placement_fields.h"
#include "policies/placement_score.h"

namespace eplb {
namespace {

// The numbers of a layer, in the order in which they are read and written.
constexpr absl::string_view kLayerNames[] = {"balancedness", "bound",
                                             "moved_slots", "duplicate_slots"};

void WriteLayers(const std::vector<LayerScore>& layers, JsonWriter& json) {
  double sum = 0;
  double worst = 1;
  int64_t moved = 0;
  json.Key("layers").BeginArray();
  for (const LayerScore& layer : layers) {
    json.BeginObject()
        .Field(kLayerNames[0], layer.balancedness)
        .Field(kLayerNames[1], layer.bound)
        .Field(kLayerNames[2], layer.moved_slots)
        .Field(kLayerNames[3], layer.duplicate_slots)
        .EndObject();
    sum += layer.balancedness;
    worst = std::min(worst, layer.balancedness);
    moved += layer.moved_slots;
  }
  json.EndArray();
  json.Field("balancedness", sum / static_cast<double>(layers.size()))
      .Field("worst_balancedness", worst)
      .Field("moved_slots", moved);
}

void WriteTables(const Placement& placement, JsonWriter& json) {
  json.Key("physical_to_logical_map").BeginArray();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    json.Integers(placement.experts_of_slots(layer));
  }
  json.EndArray().Key("logical_replica_count").BeginArray();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    json.BeginArray();
    for (int e = 0; e < placement.num_logical_experts(); ++e) {
      json.Value(placement.num_replicas(layer, e));
    }
    json.EndArray();
  }
  json.EndArray();
}

// The fields of a file, before they are checked against each other.
struct FileFields {
  std::optional<std::string> format, policy;
  std::optional<int64_t> num_ranks, num_nodes, num_groups;
  PlacementFields placement;
  std::optional<JsonTable> logical_replica_count;
  std::optional<std::vector<JsonRecord>> layers;

  absl::Status Parse(absl::string_view text) {
    JsonFields fields;
    fields.String("format", format);
    fields.String("policy", policy);
    fields.Integer("num_ranks", num_ranks);
    fields.Integer("num_nodes", num_nodes);
    fields.Integer("num_groups", num_groups);
    placement.AddTo(fields, "num_layers");
    fields.Table("logical_replica_count", {.axes = {"layer", "expert"}},
                 logical_replica_count);
    fields.Records("layers", {std::begin(kLayerNames), std::end(kLayerNames)},
                   layers);
    return fields.Parse(text);
  }

  absl::Status Validate() const;
  absl::StatusOr<std::vector<LayerScore>> LayerScores() const;
};

absl::Status ValidateDivisor(absl::string_view name, int64_t divisor,
                             int64_t value, absl::string_view what) {
  if (divisor >= 1 && value % divisor == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", divisor, " does not divide the ", value, " ", what));
}

absl::Status FileFields::Validate() const {
  if (!format) {
    return absl::InvalidArgumentError("there is no field 'format'");
  }
  if (*format != kPlacementFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat("format: '", absl::CHexEscape(format->substr(0, 40)),
                     "' is not '", kPlacementFormat, "'"));
  }
  EPLB_RETURN_IF_ERROR(placement.Validate());
  if (!num_ranks) {
    return absl::InvalidArgumentError("there is no field 'num_ranks'");
  }
  EPLB_RETURN_IF_ERROR(ValidateRankCount(
      "num_ranks", *num_ranks, placement.physical_to_logical_map->extents[1]));
  EPLB_RETURN_IF_ERROR(
      ValidateDivisor("num_nodes", num_nodes.value_or(1), *num_ranks, "ranks"));
  return ValidateDivisor("num_groups", num_groups.value_or(1),
                         *placement.num_logical_experts, "logical experts");
}

absl::StatusOr<std::vector<LayerScore>> FileFields::LayerScores() const {
  std::vector<LayerScore> scores;
  if (!layers) return scores;
  const JsonTable& map = *placement.physical_to_logical_map;
  if (static_cast<int64_t>(layers->size()) != map.extents[0]) {
    return absl::InvalidArgumentError(absl::StrCat("layers: ", layers->size(),
                                                   " entries for ",
                                                   map.extents[0], " layers"));
  }
  for (const JsonRecord& record : *layers) {
    const double limits[] = {1, 1, static_cast<double>(map.extents[1]),
                             static_cast<double>(map.extents[1])};
    for (size_t i = 0; i < record.size(); ++i) {
      if (record[i] && *record[i] >= 0 && *record[i] <= limits[i]) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "layers: layer ", scores.size(), ": ", kLayerNames[i],
          record[i]
              ? absl::StrCat(" ", *record[i], " is not in [0, ", limits[i], "]")
              : " is missing"));
    }
    scores.push_back({.balancedness = *record[0],
                      .bound = *record[1],
                      .moved_slots = static_cast<int>(*record[2]),
                      .duplicate_slots = static_cast<int>(*record[3])});
  }
  return scores;
}

// The counts follow from the map; a file in which they do not was changed or
// damaged.
absl::Status ValidateReplicaCounts(const JsonTable& counts,
                                   const Placement& placement) {
  const std::vector<int64_t> extents = {placement.num_layers(),
                                        placement.num_logical_experts()};
  if (counts.extents != extents) {
    return absl::InvalidArgumentError(absl::StrCat(
        "logical_replica_count: ", counts.extents[0], " layers of ",
        counts.extents[1], " experts; the placement has ", extents[0], " of ",
        extents[1]));
  }
  for (size_t i = 0; i < counts.values.size(); ++i) {
    const int layer = static_cast<int>(i / extents[1]);
    const int expert = static_cast<int>(i % extents[1]);
    if (counts.values[i] != placement.num_replicas(layer, expert)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "logical_replica_count: layer ", layer, ", expert ", expert, ": ",
          counts.values[i], " where physical_to_logical_map has ",
          placement.num_replicas(layer, expert), " replicas"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string FormatPlacement(const PlacementFile& file) {
  const Placement& placement = file.placement;
  JsonWriter json;
  json.BeginObject()
      .Field("format", kPlacementFormat)
      .Field("policy", file.policy)
      .Field("num_layers", placement.num_layers())
      .Field("num_logical_experts", placement.num_logical_experts())
      .Field("num_physical_experts", placement.num_slots())
      .Field("num_ranks", file.num_ranks)
      .Field("num_nodes", file.num_nodes)
      .Field("num_groups", file.num_groups);
  WriteTables(placement, json);
  if (!file.layers.empty()) {
    WriteLayers(file.layers, json);
    json.Field("plan_seconds", file.plan_seconds);
  }
  json.EndObject();
  return json.Take();
}

absl::StatusOr<PlacementFile> ParsePlacement(absl::string_view text) {
  FileFields fields;
  EPLB_RETURN_IF_ERROR(fields.Parse(text));
  EPLB_RETURN_IF_ERROR(fields.Validate());
  EPLB_ASSIGN_OR_RETURN(Placement placement, fields.placement.Build());
  if (fields.logical_replica_count) {
    EPLB_RETURN_IF_ERROR(
        ValidateReplicaCounts(*fields.logical_replica_count, placement));
  }
  EPLB_ASSIGN_OR_RETURN(std::vector<LayerScore> layers, fields.LayerScores());
  return PlacementFile{
      .policy = fields.policy.value_or(""),
      .num_ranks = static_cast<int>(*fields.num_ranks),
      .num_nodes = static_cast<int>(fields.num_nodes.value_or(1)),
      .num_groups = static_cast<int>(fields.num_groups.value_or(1)),
      .placement = std::move(placement),
      .layers = std::move(layers)};
}

absl::Status WritePlacementFile(const std::string& name,
                                const PlacementFile& file) {
  return ReplaceFile(name, absl::StrCat(FormatPlacement(file), "\n"));
}

absl::StatusOr<PlacementFile> ReadPlacementFile(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(const InputFile file, InputFile::Open(name));
  EPLB_ASSIGN_OR_RETURN(const std::string text, file.ReadAll());
  absl::StatusOr<PlacementFile> placement = ParsePlacement(text);
  if (!placement.ok()) return WithPlace(name, placement.status());
  return placement;
}

}  // namespace eplb
