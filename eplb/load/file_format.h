// Which of the formats that the library reads a file is in.
//
//   EPLB_ASSIGN_OR_RETURN(FileFormat format, DetectFileFormat(file));

#ifndef EPLB_LOAD_FILE_FORMAT_H_
#define EPLB_LOAD_FILE_FORMAT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/load/input_file.h"

namespace eplb {

enum class FileFormat { kNpy, kJson, kCsv, kLoadDump, kPlacement };

// "npy", "json", "csv", "load_dump" or "placement".
absl::string_view FileFormatName(FileFormat format);

// Judges by content; by the extension of the name only where the content says
// nothing. A file in no format that is known, or an empty one, is
// InvalidArgument.
absl::StatusOr<FileFormat> DetectFileFormat(const InputFile& file);

}  // namespace eplb

#endif  // EPLB_LOAD_FILE_FORMAT_H_
