// Reads recorded loads from JSON.

#ifndef EPLB_LOAD_JSON_LOADS_H_
#define EPLB_LOAD_JSON_LOADS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

// {"logical_count": [[...], ...]}, or the bare array: [layers][experts] or
// [steps][layers][experts].
absl::StatusOr<RecordedLoads> ParseJsonLoads(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_LOAD_JSON_LOADS_H_
