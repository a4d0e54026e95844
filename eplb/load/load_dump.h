// Reads load dumps: one JSON object per line, each a window of recorded loads.
//
//   EPLB_ASSIGN_OR_RETURN(LoadDumpReader reader,
//                         LoadDumpReader::Open("dump/model_load.jsonl"));
//   while (true) {
//     EPLB_ASSIGN_OR_RETURN(std::optional<LoadDumpRecord> record,
//                           reader.Next());
//     if (!record) break;
//   }

#ifndef EPLB_LOAD_LOAD_DUMP_H_
#define EPLB_LOAD_LOAD_DUMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/input_file.h"
#include "eplb/load/line_reader.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

// One line of a dump.
struct LoadDumpRecord {
  std::string model_name;
  int64_t world_size = 0;
  // 0 when the line does not say.
  int64_t window_size = 0;
  int64_t step = 0;
  Placement placement;
  // The window's tokens per slot, [layers, slots] row-major.
  std::vector<int64_t> slot_loads;
  // Those that ended since the line before, where the writer tells.
  std::vector<DumpedRearrangement> rearrangements;

  // The tokens per logical expert, [layers, logical experts] row-major.
  // InvalidArgument when a sum is more than ExpertLoads::kMaxLoad.
  absl::StatusOr<std::vector<int64_t>> LogicalLoads() const;
};

// InvalidArgument, naming the field and where in it, unless `line` is an
// object whose sizes, map and loads agree. `cut_short`, when given, tells
// whether the line ends too early.
absl::StatusOr<LoadDumpRecord> ParseLoadDumpLine(absl::string_view line,
                                                 bool* cut_short = nullptr);

// Thread-compatible.
class LoadDumpReader {
 public:
  static absl::StatusOr<LoadDumpReader> Open(std::string name);

  // The next record, or nothing at the end. A last line that a writer did not
  // finish is left out with a warning. Errors name file and line.
  absl::StatusOr<std::optional<LoadDumpRecord>> Next();

  // What was left out so far.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  explicit LoadDumpReader(InputFile file) : lines_(std::move(file)) {}

  LineReader lines_;
  std::vector<std::string> warnings_;
};

// The logical loads of all lines, one step per line. Layers and logical
// experts are the same in all lines; slots and ranks may change.
absl::StatusOr<RecordedLoads> ReadDumpedLoads(LoadDumpReader& reader,
                                              absl::string_view name);

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_DUMP_H_
