#include "kernels/cpu/copy_bytes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr uint8_t kUntouched = 0xee;

TEST(CopyPastCachesTest, CopiesEverySizeAtEveryAlignmentAndNothingElse) {
  std::vector<uint8_t> from(2000);
  for (size_t i = 0; i < from.size(); ++i) from[i] = i * 7 % 251;
  for (size_t to_offset = 0; to_offset < 64; to_offset += 3) {
    for (size_t from_offset = 0; from_offset < 16; from_offset += 5) {
      for (size_t num_bytes = 0; num_bytes < 400; ++num_bytes) {
        std::vector<uint8_t> to(600, kUntouched);
        std::vector<uint8_t> expected = to;
        std::copy_n(from.begin() + from_offset, num_bytes,
                    expected.begin() + to_offset);
        CopyPastCaches(to.data() + to_offset, from.data() + from_offset,
                       num_bytes);
        ASSERT_EQ(to, expected) << num_bytes << " bytes from " << from_offset
                                << " to " << to_offset;
      }
    }
  }
}

}  // namespace
}  // namespace eplb
