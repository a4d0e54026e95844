// Writes a file as a whole: readers see the old content or the new, never a
// part, and a failure leaves the old.
//
//   EPLB_RETURN_IF_ERROR(ReplaceFile("plan.json", text));

#ifndef EPLB_LOAD_OUTPUT_FILE_H_
#define EPLB_LOAD_OUTPUT_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

// Writes `content` to a new file beside `name` and renames it. A link is
// followed; what exists and is no regular file (a folder, a device) is refused.
absl::Status ReplaceFile(const std::string& name, absl::string_view content);

// Whether ReplaceFile could begin now: for work that takes long before it has
// something to write. Leaves no trace.
absl::Status CheckReplaceable(const std::string& name);

}  // namespace eplb

#endif  // EPLB_LOAD_OUTPUT_FILE_H_
