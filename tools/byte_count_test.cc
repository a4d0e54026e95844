#include "tools/byte_count.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(ByteCountTest, ChoosesTheUnit) {
  EXPECT_EQ(ByteCount(0), "0 B");
  EXPECT_EQ(ByteCount(1023), "1023 B");
  EXPECT_EQ(ByteCount(1024), "1.0 KiB");
  EXPECT_EQ(ByteCount(1536), "1.5 KiB");
  EXPECT_EQ(ByteCount(46137344), "44.0 MiB");
  EXPECT_EQ(ByteCount(1048575), "1.0 MiB");
  EXPECT_EQ(ByteCount(3.5 * 1024 * 1024 * 1024), "3.5 GiB");
  EXPECT_EQ(ByteCount(5e18), "4440.9 PiB");
}

}  // namespace
}  // namespace eplb
