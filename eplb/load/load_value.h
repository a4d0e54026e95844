// The load of one expert as files write it: a count in [0, 2^53].
//
//   EPLB_ASSIGN_OR_RETURN(int64_t load, LoadFromDouble(12.0));
//
// Recorders that average or scale store fractions; these are rounded to the
// nearest whole number, halves up.

#ifndef EPLB_LOAD_LOAD_VALUE_H_
#define EPLB_LOAD_LOAD_VALUE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/expert_loads.h"

namespace eplb {

inline bool IsLoad(int64_t value) {
  return value >= 0 && value <= ExpertLoads::kMaxLoad;
}

// False for NaN.
inline bool IsLoad(double value) {
  return value >= 0 && value <= static_cast<double>(ExpertLoads::kMaxLoad);
}

// InvalidArgument, with value and limit, unless the value is a load.
absl::StatusOr<int64_t> LoadFromInteger(int64_t value);
absl::StatusOr<int64_t> LoadFromDouble(double value);

// A decimal number, whole or not, with nothing around it.
absl::StatusOr<int64_t> LoadFromText(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_VALUE_H_
