#include "eplb/load/load_file.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/csv_loads.h"
#include "eplb/load/error_place.h"
#include "eplb/load/file_format.h"
#include "eplb/load/input_file.h"
#include "eplb/load/json_loads.h"
#include "eplb/load/load_dump.h"
#include "eplb/load/npy_loads.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {
namespace {

absl::StatusOr<RecordedLoads> ReadText(const InputFile& file,
                                       FileFormat format) {
  EPLB_ASSIGN_OR_RETURN(const std::string text, file.ReadAll());
  absl::StatusOr<RecordedLoads> loads =
      format == FileFormat::kCsv ? ParseCsvLoads(text) : ParseJsonLoads(text);
  if (!loads.ok()) return WithPlace(file.name(), loads.status());
  return loads;
}

absl::StatusOr<LoadFile> ReadDump(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(LoadDumpReader reader, LoadDumpReader::Open(name));
  EPLB_ASSIGN_OR_RETURN(RecordedLoads loads, ReadDumpedLoads(reader, name));
  return LoadFile{FileFormat::kLoadDump, std::move(loads), reader.warnings()};
}

}  // namespace

absl::StatusOr<LoadFile> ReadLoadFile(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(const InputFile file, InputFile::Open(name));
  EPLB_ASSIGN_OR_RETURN(const FileFormat format, DetectFileFormat(file));
  switch (format) {
    case FileFormat::kPlacement:
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": is a placement, not loads"));
    case FileFormat::kLoadDump:
      return ReadDump(name);
    case FileFormat::kNpy: {
      EPLB_ASSIGN_OR_RETURN(RecordedLoads loads, ReadNpyLoads(file));
      return LoadFile{format, std::move(loads), {}};
    }
    case FileFormat::kJson:
    case FileFormat::kCsv: {
      EPLB_ASSIGN_OR_RETURN(RecordedLoads loads, ReadText(file, format));
      return LoadFile{format, std::move(loads), {}};
    }
  }
  return absl::InternalError("unknown FileFormat");
}

}  // namespace eplb
