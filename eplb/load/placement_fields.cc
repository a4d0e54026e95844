#include "eplb/load/placement_fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/json_fields.h"
#include "eplb/load/json_table.h"

namespace eplb {
namespace {

absl::Status ValidateExtent(absl::string_view name,
                            const std::optional<int64_t>& value,
                            int64_t extent) {
  if (value.value_or(extent) == extent) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", *value, " where physical_to_logical_map has ", extent));
}

}  // namespace

void PlacementFields::AddTo(JsonFields& fields, absl::string_view layers) {
  layers_name = std::string(layers);
  fields.Integer(layers, num_layers);
  fields.Integer("num_logical_experts", num_logical_experts);
  fields.Integer("num_physical_experts", num_physical_experts);
  fields.Table("physical_to_logical_map", {.axes = {"layer", "slot"}},
               physical_to_logical_map);
}

absl::Status PlacementFields::Validate() const {
  if (!physical_to_logical_map || !num_logical_experts) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no field '",
                     physical_to_logical_map ? "num_logical_experts"
                                             : "physical_to_logical_map",
                     "'"));
  }
  const int64_t num_slots = physical_to_logical_map->extents[1];
  EPLB_RETURN_IF_ERROR(ValidateExtent(layers_name, num_layers,
                                      physical_to_logical_map->extents[0]));
  EPLB_RETURN_IF_ERROR(
      ValidateExtent("num_physical_experts", num_physical_experts, num_slots));
  if (*num_logical_experts < 1 || *num_logical_experts > num_slots) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_logical_experts: ", *num_logical_experts,
                     " is not in [1, ", num_slots, "], the slots of a layer"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Placement> PlacementFields::Build() const {
  const JsonTable& map = *physical_to_logical_map;
  absl::StatusOr<Placement> placement = Placement::Create(
      static_cast<int>(map.extents[0]), static_cast<int>(*num_logical_experts),
      static_cast<int>(map.extents[1]),
      std::vector<int32_t>(map.values.begin(), map.values.end()));
  if (!placement.ok()) {
    return WithPlace("physical_to_logical_map", placement.status());
  }
  return placement;
}

absl::Status ValidateRankCount(absl::string_view name, int64_t num_ranks,
                               int64_t num_slots) {
  if (num_ranks >= 1 && num_slots % num_ranks == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": ", num_ranks, " does not divide the ", num_slots,
                   " slots of a layer"));
}

}  // namespace eplb
