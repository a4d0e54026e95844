#include "tools/run/listen_flag.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ListenFlagTest, AnInterfaceStandsForItsAddress) {
  const auto address = ResolveListen("lo", false);
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->listen, "127.0.0.1");
  EXPECT_EQ(address->advertised, "127.0.0.1");
}

TEST(ListenFlagTest, AnAddressStandsForItself) {
  const auto address = ResolveListen("127.0.0.9", false);
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->listen, "127.0.0.9");
  EXPECT_EQ(address->advertised, "127.0.0.9");
}

TEST(ListenFlagTest, EveryNetworkMustBeAskedForTwice) {
  EXPECT_THAT(ResolveListen("0.0.0.0", false),
              StatusIs(kInvalid, HasSubstr("--listen_any")));
  EXPECT_THAT(ResolveListen("::", false),
              StatusIs(kInvalid, HasSubstr("--listen_any")));
  const auto address = ResolveListen("0.0.0.0", true);
  if (address.ok()) {
    EXPECT_EQ(address->listen, "0.0.0.0");
    EXPECT_NE(address->advertised, "0.0.0.0");
    EXPECT_NE(address->advertised, "127.0.0.1");
  } else {
    // A machine without a network.
    EXPECT_THAT(address, StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST(ListenFlagTest, WhatIsNeitherIsNamed) {
  EXPECT_THAT(ResolveListen("no such thing", false),
              StatusIs(kInvalid, HasSubstr("--listen=no such thing")));
}

}  // namespace
}  // namespace eplb
