#include "eplb/load/load_dump.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/error_place.h"
#include "eplb/load/input_file.h"
#include "eplb/load/json_fields.h"
#include "eplb/load/json_table.h"
#include "eplb/load/load_value.h"
#include "eplb/load/placement_fields.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {
namespace {

constexpr absl::string_view kRearrangementNames[] = {
    "step", "plan_seconds", "stall_seconds", "moved_slots", "moved_bytes"};

// The fields of one line, before they are checked against each other.
struct LineFields {
  PlacementFields placement;
  std::optional<std::string> model_name;
  std::optional<int64_t> world_size, window_size, step;
  std::optional<int64_t> num_redundant_experts;
  std::optional<JsonTable> window_expert_load;
  std::optional<std::vector<JsonRecord>> rearrangements;

  absl::Status Parse(absl::string_view line, bool* cut_short) {
    JsonFields fields;
    fields.String("model_name", model_name);
    fields.Integer("world_size", world_size);
    fields.Integer("window_size", window_size);
    fields.Integer("step", step);
    fields.Integer("num_redundant_experts", num_redundant_experts);
    fields.Table("window_expert_load",
                 {.axes = {"layer", "slot"}, .min_axes = 2, .of_loads = true},
                 window_expert_load);
    fields.Records(
        "rearrangements",
        {std::begin(kRearrangementNames), std::end(kRearrangementNames)},
        rearrangements);
    placement.AddTo(fields, "num_moe_layers");
    return fields.Parse(line, cut_short);
  }

  absl::Status Validate() const;
  absl::StatusOr<std::vector<DumpedRearrangement>> Rearrangements() const;
};

absl::Status LineFields::Validate() const {
  EPLB_RETURN_IF_ERROR(placement.Validate());
  const JsonTable& map = *placement.physical_to_logical_map;
  if (!world_size || !window_expert_load) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no field '",
                     world_size ? "window_expert_load" : "world_size", "'"));
  }
  EPLB_RETURN_IF_ERROR(
      ValidateRankCount("world_size", *world_size, map.extents[1]));
  if (window_expert_load->extents != map.extents) {
    return absl::InvalidArgumentError(absl::StrCat(
        "window_expert_load: ", window_expert_load->extents[0], " layers of ",
        window_expert_load->extents[1], " slots; physical_to_logical_map has ",
        map.extents[0], " of ", map.extents[1]));
  }
  if (window_size.value_or(0) < 0 || step.value_or(0) < 0) {
    const bool size = window_size.value_or(0) < 0;
    return absl::InvalidArgumentError(
        absl::StrCat(size ? "window_size" : "step", ": negative value ",
                     size ? *window_size : *step));
  }
  const int64_t redundant = map.extents[1] - *placement.num_logical_experts;
  if (num_redundant_experts.value_or(redundant) != redundant) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_redundant_experts: ", *num_redundant_experts,
                     " where the other fields make ", redundant));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DumpedRearrangement>> LineFields::Rearrangements()
    const {
  std::vector<DumpedRearrangement> all;
  if (!rearrangements) return all;
  for (const JsonRecord& record : *rearrangements) {
    for (size_t i = 0; i < record.size(); ++i) {
      const double value = record[i].value_or(0);
      if (IsLoad(value)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "rearrangements: ", all.size(), ": ", kRearrangementNames[i], ": ",
          value, " is not a number in [0, 2^53]"));
    }
    const auto integer = [&](size_t i) {
      return static_cast<int64_t>(record[i].value_or(0));
    };
    all.push_back({.step = integer(0),
                   .plan_seconds = record[1].value_or(0),
                   .stall_seconds = record[2],
                   .moved_slots = integer(3),
                   .moved_bytes = integer(4)});
  }
  return all;
}

absl::Status RefuseLoadInEmptySlots(const Placement& placement,
                                    const std::vector<int64_t>& slot_loads) {
  for (size_t i = 0; i < slot_loads.size(); ++i) {
    if (placement.physical_to_logical_map()[i] == Placement::kEmptySlot &&
        slot_loads[i] != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("window_expert_load: layer ", i / placement.num_slots(),
                       ", slot ", i % placement.num_slots(), ": load ",
                       slot_loads[i], " in a slot that holds no expert"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> LoadDumpRecord::LogicalLoads() const {
  const int experts = placement.num_logical_experts();
  std::vector<int64_t> loads(static_cast<size_t>(placement.num_layers()) *
                             experts);
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int expert = 0; expert < experts; ++expert) {
      int64_t& load = loads[static_cast<size_t>(layer) * experts + expert];
      for (const int32_t slot : placement.slots_of_expert(layer, expert)) {
        // Both are at most 2^53 here, so that the sum cannot overflow.
        load += slot_loads[static_cast<size_t>(layer) * placement.num_slots() +
                           slot];
        if (!IsLoad(load)) {
          return WithPlace(absl::StrCat("layer ", layer, ", expert ", expert),
                           LoadFromInteger(load).status());
        }
      }
    }
  }
  return loads;
}

absl::StatusOr<LoadDumpRecord> ParseLoadDumpLine(absl::string_view line,
                                                 bool* cut_short) {
  LineFields fields;
  EPLB_RETURN_IF_ERROR(fields.Parse(line, cut_short));
  EPLB_RETURN_IF_ERROR(fields.Validate());
  EPLB_ASSIGN_OR_RETURN(Placement placement, fields.placement.Build());
  EPLB_ASSIGN_OR_RETURN(std::vector<DumpedRearrangement> rearrangements,
                        fields.Rearrangements());
  LoadDumpRecord record{
      .model_name = fields.model_name.value_or(""),
      .world_size = *fields.world_size,
      .window_size = fields.window_size.value_or(0),
      .step = fields.step.value_or(0),
      .placement = std::move(placement),
      .slot_loads = std::move(fields.window_expert_load->values),
      .rearrangements = std::move(rearrangements)};
  EPLB_RETURN_IF_ERROR(
      RefuseLoadInEmptySlots(record.placement, record.slot_loads));
  return record;
}

absl::StatusOr<LoadDumpReader> LoadDumpReader::Open(std::string name) {
  EPLB_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(std::move(name)));
  return LoadDumpReader(std::move(file));
}

absl::StatusOr<std::optional<LoadDumpRecord>> LoadDumpReader::Next() {
  std::string line;
  EPLB_ASSIGN_OR_RETURN(const bool more, lines_.Next(line));
  if (!more) return std::nullopt;
  const std::string place =
      absl::StrCat(lines_.file_name(), ": line ", lines_.line_number());
  bool cut_short = false;
  absl::StatusOr<LoadDumpRecord> record = ParseLoadDumpLine(line, &cut_short);
  if (record.ok()) return std::optional<LoadDumpRecord>(*std::move(record));
  if (cut_short && !lines_.line_is_ended()) {
    warnings_.push_back(absl::StrCat(
        place, ": left out, because its writer did not finish it"));
    return std::nullopt;
  }
  return WithPlace(place, record.status());
}

absl::StatusOr<RecordedLoads> ReadDumpedLoads(LoadDumpReader& reader,
                                              absl::string_view name) {
  RecordedShape shape{.num_steps = 0};
  std::string model_name;
  std::vector<int64_t> loads;
  while (true) {
    EPLB_ASSIGN_OR_RETURN(const std::optional<LoadDumpRecord> record,
                          reader.Next());
    if (!record) break;
    const std::string place = absl::StrCat(name, ": line ", ++shape.num_steps);
    const Placement& placement = record->placement;
    if (shape.num_steps == 1) {
      shape.num_layers = placement.num_layers();
      shape.num_logical_experts = placement.num_logical_experts();
      model_name = record->model_name;
    }
    if (record->model_name != model_name) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": model_name: '", record->model_name,
                       "' where the first is '", model_name, "'"));
    }
    if (placement.num_layers() != shape.num_layers ||
        placement.num_logical_experts() != shape.num_logical_experts) {
      return absl::InvalidArgumentError(absl::StrCat(
          place, ": ", placement.num_layers(), " layers of ",
          placement.num_logical_experts(), " experts; the first has ",
          shape.num_layers, " of ", shape.num_logical_experts));
    }
    EPLB_RETURN_IF_ERROR(WithPlace(place, shape.Validate()));
    const absl::StatusOr<std::vector<int64_t>> step = record->LogicalLoads();
    if (!step.ok()) return WithPlace(place, step.status());
    loads.insert(loads.end(), step->begin(), step->end());
  }
  if (shape.num_steps == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": holds no complete record"));
  }
  return RecordedLoads::Create(shape, std::move(loads));
}

}  // namespace eplb
