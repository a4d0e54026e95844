// Feeds the readers of files with whatever libFuzzer invents:
//
//   ./bazelw run --config=fuzz //eplb/load:readers_fuzz -- -max_total_time=60
//
// The tests of each reader feed it with damaged files in every build.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/load/csv_loads.h"
#include "eplb/load/json_loads.h"
#include "eplb/load/load_dump.h"
#include "eplb/load/npy_header.h"
#include "eplb/load/placement_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  eplb::ParseCsvLoads(text).status().IgnoreError();
  eplb::ParseJsonLoads(text).status().IgnoreError();
  eplb::ParseLoadDumpLine(text).status().IgnoreError();
  eplb::ParseNpyHeader(text, static_cast<int64_t>(size)).status().IgnoreError();
  const absl::StatusOr<eplb::PlacementFile> file = eplb::ParsePlacement(text);
  // What was accepted once is accepted again.
  if (file.ok() && !eplb::ParsePlacement(eplb::FormatPlacement(*file)).ok()) {
    std::abort();
  }
  return 0;
}
