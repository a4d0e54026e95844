// The fields by which placement files and load dumps say where experts are.
//
//   PlacementFields fields;
//   fields.AddTo(json, "num_layers");
//   EPLB_RETURN_IF_ERROR(json.Parse(text));
//   EPLB_RETURN_IF_ERROR(fields.Validate());
//   EPLB_ASSIGN_OR_RETURN(Placement placement, fields.Build());

#ifndef EPLB_LOAD_PLACEMENT_FIELDS_H_
#define EPLB_LOAD_PLACEMENT_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/load/json_fields.h"
#include "eplb/load/json_table.h"

namespace eplb {

struct PlacementFields {
  // Asks `fields` for the map and its sizes; `layers_name` is what the format
  // calls the number of layers.
  void AddTo(JsonFields& fields, absl::string_view layers_name);

  // InvalidArgument unless the map and the number of logical experts are there
  // and the sizes that are there agree with the map.
  absl::Status Validate() const;

  // Of fields that are valid. InvalidArgument, naming layer and slot or
  // expert, unless the map is a placement.
  absl::StatusOr<Placement> Build() const;

  std::string layers_name;
  std::optional<int64_t> num_layers, num_logical_experts, num_physical_experts;
  std::optional<JsonTable> physical_to_logical_map;
};

// InvalidArgument, naming `name`, unless `num_ranks` is positive and divides
// `num_slots`.
absl::Status ValidateRankCount(absl::string_view name, int64_t num_ranks,
                               int64_t num_slots);

}  // namespace eplb

#endif  // EPLB_LOAD_PLACEMENT_FIELDS_H_
