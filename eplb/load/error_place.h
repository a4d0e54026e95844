// Says where an error is: each caller puts its own place in front.
//
//   return WithPlace("layer 3, expert 17", LoadFromDouble(value).status());
//   // INVALID_ARGUMENT: layer 3, expert 17: negative load -4

#ifndef EPLB_LOAD_ERROR_PLACE_H_
#define EPLB_LOAD_ERROR_PLACE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eplb {

// `status` with "`place`: " before its message; an OK status as it is.
inline absl::Status WithPlace(absl::string_view place,
                              const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(place, ": ", status.message()));
}

}  // namespace eplb

#endif  // EPLB_LOAD_ERROR_PLACE_H_
