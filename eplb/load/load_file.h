// Reads recorded loads from a file in any of the formats.
//
//   EPLB_ASSIGN_OR_RETURN(LoadFile file, ReadLoadFile("loads.npy"));
//   EPLB_ASSIGN_OR_RETURN(ExpertLoads loads, file.loads.SumOverSteps());

#ifndef EPLB_LOAD_LOAD_FILE_H_
#define EPLB_LOAD_LOAD_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/load/file_format.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

struct LoadFile {
  FileFormat format = FileFormat::kNpy;
  RecordedLoads loads;
  // Sentences for people about what was left out.
  std::vector<std::string> warnings;
};

// Errors begin with the name and say where in the file, which value and which
// limit.
absl::StatusOr<LoadFile> ReadLoadFile(const std::string& name);

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_FILE_H_
