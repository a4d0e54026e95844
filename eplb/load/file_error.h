// What the system said about a file, as a status.
//
//   if (write(fd, data, size) < 0) return FileError("plan.json", "write",
//   errno);
//   // RESOURCE_EXHAUSTED: plan.json: cannot write: No space left on device

#ifndef EPLB_LOAD_FILE_ERROR_H_
#define EPLB_LOAD_FILE_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

// NotFound, PermissionDenied or ResourceExhausted where `error` (an errno)
// means that, else InvalidArgument: what a caller can act on is the name.
absl::Status FileError(absl::string_view name, absl::string_view action,
                       int error);

}  // namespace eplb

#endif  // EPLB_LOAD_FILE_ERROR_H_
