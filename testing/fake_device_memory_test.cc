#include "testing/fake_device_memory.h"

#include <memory>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(FakeDeviceMemoryTest, KnowsWhatLiesInIt) {
  FakeDeviceMemory memory;
  const std::shared_ptr<void> bytes = memory.Allocate(100);
  const char* const begin = static_cast<const char*>(bytes.get());
  EXPECT_TRUE(memory.Contains(begin, 100));
  EXPECT_TRUE(memory.Contains(begin + 60, 40));
  EXPECT_TRUE(memory.Contains(begin + 100, 0));
  EXPECT_FALSE(memory.Contains(begin, 101));
  EXPECT_FALSE(memory.Contains(begin + 60, 41));
  const char elsewhere = 'x';
  EXPECT_FALSE(memory.Contains(&elsewhere, 1));
}

TEST(FakeDeviceMemoryTest, ForgetsWhatIsGone) {
  FakeDeviceMemory memory;
  std::shared_ptr<void> bytes = memory.Allocate(100);
  const void* const begin = bytes.get();
  bytes = nullptr;
  EXPECT_FALSE(memory.Contains(begin, 1));
}

TEST(FakeDeviceMemoryTest, WhatItGaveMayOutliveIt) {
  std::shared_ptr<void> bytes;
  {
    FakeDeviceMemory memory;
    bytes = memory.Allocate(8);
  }
  static_cast<char*>(bytes.get())[7] = 'x';
}

}  // namespace
}  // namespace eplb
