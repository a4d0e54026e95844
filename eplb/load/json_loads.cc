#include "eplb/load/json_loads.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/json_fields.h"
#include "eplb/load/json_table.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

absl::StatusOr<RecordedLoads> ParseJsonLoads(absl::string_view text) {
  const JsonTableRule rule{
      .axes = {"step", "layer", "expert"}, .min_axes = 2, .of_loads = true};
  std::optional<JsonTable> table;
  JsonFields fields;
  fields.Table("", rule, table);
  fields.Table("logical_count", rule, table);
  EPLB_RETURN_IF_ERROR(fields.Parse(text));
  if (!table) {
    return absl::InvalidArgumentError(
        "there is no field 'logical_count' with the loads");
  }
  const std::vector<int64_t>& extents = table->extents;
  const size_t axes = extents.size();
  return RecordedLoads::Create({.num_steps = axes == 3 ? extents[0] : 1,
                                .num_layers = extents[axes - 2],
                                .num_logical_experts = extents[axes - 1]},
                               std::move(table->values));
}

}  // namespace eplb
