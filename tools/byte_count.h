// ByteCount: an amount of data for people.
//
//   ByteCount(46137344);  // "44.0 MiB"

#ifndef EPLB_TOOLS_BYTE_COUNT_H_
#define EPLB_TOOLS_BYTE_COUNT_H_

#include <string>

#include "absl/strings/str_format.h"

namespace eplb {

// `bytes` is not negative.
inline std::string ByteCount(double bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return absl::StrFormat("%.0f B", bytes);
  double count = bytes / 1024;
  int unit = 0;
  // What would round to 1024.0 is said in the next unit.
  while (count >= 1023.95 && unit < 4) {
    count /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", count, kUnits[unit]);
}

}  // namespace eplb

#endif  // EPLB_TOOLS_BYTE_COUNT_H_
