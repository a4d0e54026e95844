#include "testing/redis_server.h"

#include <chrono>
#include <optional>
#include <string>

#include "collectives/rendezvous/redis_store.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

TEST(RedisServerTest, ServersAtOnceKeepTheirKeysApart) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server here";
  SystemClock clock;
  const SteadyTime deadline = clock.Now() + std::chrono::seconds(20);
  const RedisServer one;
  const RedisServer two;
  RedisStore store_of_one({.address = one.address()}, clock);
  RedisStore store_of_two({.address = two.address()}, clock);
  EPLB_ASSERT_OK(store_of_one.Put("key", "value", deadline));
  EXPECT_THAT(store_of_one.Get("key", deadline),
              IsOkAndHolds(std::optional<std::string>("value")));
  EXPECT_THAT(store_of_two.Get("key", deadline), IsOkAndHolds(std::nullopt));
}

}  // namespace
}  // namespace eplb
