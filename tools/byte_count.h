// ByteCount: an amount of data for people.
//
//   ByteCount(46137344);  // "44.0 MiB"

#ifndef EPLB_TOOLS_BYTE_COUNT_H_
#define EPLB_TOOLS_BYTE_COUNT_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace eplb {

struct ScaledBytes {
  std::string count;
  const char* unit = "B";
  double unit_bytes = 1;
};

// `bytes` is not negative.
inline ScaledBytes ScaleBytes(double bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return {.count = absl::StrFormat("%.0f", bytes)};
  double unit_bytes = 1024;
  int unit = 0;
  // What would round to 1024.0 is said in the next unit.
  while (bytes / unit_bytes >= 1023.95 && unit < 4) {
    unit_bytes *= 1024;
    ++unit;
  }
  return {.count = absl::StrFormat("%.1f", bytes / unit_bytes),
          .unit = kUnits[unit],
          .unit_bytes = unit_bytes};
}

inline std::string ByteCount(double bytes) {
  const ScaledBytes scaled = ScaleBytes(bytes);
  return absl::StrCat(scaled.count, " ", scaled.unit);
}

}  // namespace eplb

#endif  // EPLB_TOOLS_BYTE_COUNT_H_
