#include "collectives/conformance_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "collectives/communicator.h"
#include "eplb/core/memory_space.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(ConformanceMemoryTest, IsOrdinaryMemoryUnlessAskedOtherwise) {
  const ConformanceMemory memory;
  const ConformanceBytes bytes(memory, std::vector<uint8_t>{1, 2, 3, 4});
  const Buffer part = bytes.buffer(1, 2);
  EXPECT_EQ(part.num_bytes, 2);
  EXPECT_EQ(part.space, MemorySpace::kHost);
  static_cast<uint8_t*>(part.data)[1] = 9;
  EXPECT_EQ(bytes.contents(), (std::vector<uint8_t>{1, 2, 9, 4}));
  EXPECT_EQ(bytes.source(1, 2).data, part.data);
  EXPECT_EQ(ConformanceBytes(memory, 3).contents(), std::vector<uint8_t>(3));
}

TEST(ConformanceMemoryTest, IsReachedThroughTheBackendsCopyAlone) {
  // Holds the complement of what it is given.
  const ConformanceMemory memory = {
      .space = MemorySpace::kDevice,
      .allocate =
          [](size_t num_bytes) {
            return std::shared_ptr<uint8_t[]>(new uint8_t[num_bytes]);
          },
      .copy =
          [](void* to, const void* from, size_t num_bytes) {
            const uint8_t* const bytes = static_cast<const uint8_t*>(from);
            std::transform(bytes, bytes + num_bytes, static_cast<uint8_t*>(to),
                           [](uint8_t byte) { return ~byte; });
          }};
  const ConformanceBytes bytes(memory, std::vector<uint8_t>{1, 2});
  EXPECT_EQ(bytes.buffer().space, MemorySpace::kDevice);
  EXPECT_EQ(static_cast<const uint8_t*>(bytes.source().data)[0], 0xfe);
  EXPECT_EQ(bytes.contents(), (std::vector<uint8_t>{1, 2}));
}

TEST(ConformanceMemoryTest, NoBytesHaveAnAddressToo) {
  const ConformanceMemory memory;
  const ConformanceBytes bytes(memory, 0);
  EXPECT_EQ(bytes.size(), 0);
  EXPECT_NE(bytes.buffer().data, nullptr);
  EXPECT_TRUE(bytes.contents().empty());
}

}  // namespace
}  // namespace eplb
