// LoadDumpWriter: appends what a balancer saw to a file that other tools read.
//
//   EPLB_ASSIGN_OR_RETURN(LoadDumpWriter writer,
//                         LoadDumpWriter::Open("dumps", "org/model"));
//   EPLB_RETURN_IF_ERROR(writer.Append({...}));  // dumps/org_model_expert_
//                                                // load.jsonl
//
// A line is one object of format eplb.load_dump/1 (docs/file_formats.md),
// written by one write: a reader that comes in between sees whole lines.

#ifndef EPLB_LOAD_LOAD_DUMP_WRITER_H_
#define EPLB_LOAD_LOAD_DUMP_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/load/dumped_rearrangement.h"

namespace eplb {

// One line. The spans are borrowed for the call.
struct LoadDumpEntry {
  int world_size = 1;
  int window_size = 1;
  int64_t step = 0;
  double balancedness = 0;
  const Placement* placement = nullptr;
  // Tokens of the window per logical expert, [layers, logical experts]
  // row-major.
  absl::Span<const int64_t> window_loads;
  // Tokens of the latest pass per slot, [layers, slots] row-major.
  absl::Span<const int64_t> latest_slot_loads;
  // Those that ended since the line before.
  absl::Span<const DumpedRearrangement> rearrangements = {};
};

// Each expert's load divided over its slots, [layers, slots] row-major, what
// does not divide to the lower ones. `loads` is [layers, logical experts].
std::vector<int64_t> DivideOverReplicas(absl::Span<const int64_t> loads,
                                        const Placement& placement);

// Movable. Thread-compatible.
class LoadDumpWriter {
 public:
  // Makes the folder if there is none. The file is the model's name, with /
  // as _, and "_expert_load.jsonl"; what is in it stays.
  static absl::StatusOr<LoadDumpWriter> Open(const std::string& folder,
                                             absl::string_view model_name);

  LoadDumpWriter(LoadDumpWriter&& other) noexcept;
  LoadDumpWriter& operator=(LoadDumpWriter&& other) noexcept;
  ~LoadDumpWriter();

  // After an error the file may end in a part of a line; the next Append
  // begins a new one.
  absl::Status Append(const LoadDumpEntry& entry);

  const std::string& path() const { return path_; }

 private:
  LoadDumpWriter(std::string model_name, std::string path, int descriptor);

  std::string model_name_;
  std::string path_;
  int descriptor_;
  bool ends_in_part_ = false;
};

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_DUMP_WRITER_H_
