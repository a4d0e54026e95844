#include "kernels/route_table.h"

#include <memory>

#include "absl/status/status.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "kernels/route_rows.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

// What it does with passes is part of the device conformance suite.
class RouteTableTest : public testing::Test {
 protected:
  CpuDevice device_;
  std::unique_ptr<Stream> stream_ = *device_.CreateStream();
};

TEST_F(RouteTableTest, RefusesRowsThatDoNotFitAndKeepsItsOwn) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows, RouteRows::Create(2, {1, 0}));
  EPLB_ASSERT_OK_AND_ASSIGN(const auto table,
                            RouteTable::Create(device_, rows, /*max_slots=*/2,
                                               *stream_, SteadyTime::max()));
  for (const RouteRows& other :
       {*RouteRows::Create(2, {0, 1, 1}), *RouteRows::Create(3, {0, 1}),
        *RouteRows::Create(1, {0, 0})}) {
    EXPECT_THAT(table->Update(other, *stream_, SteadyTime::max()),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("for a table of 2 experts in at most 2")));
  }
  EXPECT_EQ(table->view().slots[0], 1);
  EXPECT_EQ(table->view().slots[1], 0);
}

TEST_F(RouteTableTest, RefusesFewerSlotsThanItBeginsWith) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows, RouteRows::Create(2, {1, 0}));
  for (const int max_slots : {-1, 0, 1}) {
    EXPECT_THAT(RouteTable::Create(device_, rows, max_slots, *stream_,
                                   SteadyTime::max()),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(RouteTableTest, GrowsUpToItsSlotsInPlace) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows, RouteRows::Create(1, {0}));
  EPLB_ASSERT_OK_AND_ASSIGN(const auto table,
                            RouteTable::Create(device_, rows, /*max_slots=*/4,
                                               *stream_, SteadyTime::max()));
  const int* row_begin = table->view().row_begin;
  EPLB_ASSERT_OK(table->Update(*RouteRows::Create(1, {-1, 0, 0, 0}), *stream_,
                               SteadyTime::max()));
  EXPECT_EQ(row_begin[1], 3);
  EXPECT_EQ(table->replica_counts()[0], 3);
  EXPECT_EQ(table->view().slots[2], 3);
}

}  // namespace
}  // namespace eplb
