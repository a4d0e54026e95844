#include "eplb/core/memory_space.h"

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(MemorySpaceTest, EverySpaceHasAName) {
  EXPECT_EQ(MemorySpaceName(MemorySpace::kHost), "host");
  EXPECT_EQ(MemorySpaceName(MemorySpace::kPinnedHost), "pinned host");
  EXPECT_EQ(MemorySpaceName(MemorySpace::kDevice), "device");
}

TEST(MemorySpaceTest, AValueFromOutsideIsNamedToo) {
  EXPECT_EQ(MemorySpaceName(static_cast<MemorySpace>(99)), "unknown");
}

}  // namespace
}  // namespace eplb
