#include "testing/faulty_device.h"

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(FaultyDeviceTest, StartsMemoryAsPoison) {
  FaultyDevice device({.memory_space = MemorySpace::kDevice});
  EPLB_ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory,
                            device.Allocate(100, MemorySpace::kDevice));
  EXPECT_EQ(memory.space(), MemorySpace::kDevice);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(memory.data()[i], FaultyDevice::kPoison);
  }
}

TEST(FaultyDeviceTest, FailsAtOneOperationHalfDone) {
  FaultyDevice device({.failing_operation = 1});
  EPLB_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Stream> stream,
                            device.CreateStream());
  const std::vector<int> source = {1, 2};
  std::vector<int> destination = {0, 0};
  const std::vector<CopyRow> rows = {
      {&destination[0], &source[0], sizeof(int)},
      {&destination[1], &source[1], sizeof(int)}};
  EPLB_EXPECT_OK(device.CopyBatch({}, *stream));
  EXPECT_THAT(device.CopyBatch(rows, *stream),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("scripted fault of device operation 1")));
  EXPECT_EQ(destination, std::vector<int>({1, 0}));
  EPLB_EXPECT_OK(device.CopyBatch(rows, *stream));
  EXPECT_EQ(destination, source);
  EXPECT_EQ(device.num_operations(), 3);
}

}  // namespace
}  // namespace eplb
