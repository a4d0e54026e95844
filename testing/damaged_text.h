// What is left of a file after an accident, for tests of readers: they must
// answer every damage with a status.
//
//   ForEachDamage(text, [](absl::string_view damaged) {
//     ParseCsvLoads(damaged).IgnoreError();
//   });

#ifndef EPLB_TESTING_DAMAGED_TEXT_H_
#define EPLB_TESTING_DAMAGED_TEXT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "testing/deterministic_random.h"

namespace eplb {

// Every beginning of `text`; `text` with every byte replaced in several ways;
// and thousands of copies with some bytes replaced, taken out and doubled.
inline void ForEachDamage(absl::string_view text,
                          absl::FunctionRef<void(absl::string_view)> read) {
  for (size_t size = 0; size < text.size(); ++size) read(text.substr(0, size));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged(text);
    for (const char other :
         {char(text[i] ^ 1), char(text[i] ^ 0x80), '\0', '-', '9', '"', ','}) {
      damaged[i] = other;
      read(damaged);
    }
  }
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    DeterministicRandom random(seed);
    std::string damaged(text);
    for (int64_t count = 1 + random.NextBelow(8); count > 0; --count) {
      const size_t at = random.NextBelow(static_cast<int64_t>(damaged.size()));
      const size_t length =
          std::min<size_t>(1 + random.NextBelow(8), damaged.size() - at);
      switch (random.NextBelow(3)) {
        case 0:
          damaged[at] = static_cast<char>(random.NextBelow(256));
          break;
        case 1:
          damaged.insert(at, damaged.substr(at, length));
          break;
        default:
          if (damaged.size() > length) damaged.erase(at, length);
      }
    }
    read(damaged);
  }
}

}  // namespace eplb

#endif  // EPLB_TESTING_DAMAGED_TEXT_H_
