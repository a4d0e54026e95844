// Reads recorded loads from comma-separated values.

#ifndef EPLB_LOAD_CSV_LOADS_H_
#define EPLB_LOAD_CSV_LOADS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

// What the file begins with.
inline constexpr absl::string_view kCsvLoadsHeader = "layer_id,expert_id,count";

// The header, then one line for each expert of each layer, in any order. Lines
// end with LF or CRLF. InvalidArgument, naming the line or the layer and
// expert, for a pair that is there twice or missing.
absl::StatusOr<RecordedLoads> ParseCsvLoads(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_LOAD_CSV_LOADS_H_
