// Both stores, the one in Redis on a real server.

#include "collectives/rendezvous/rendezvous_store.h"

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/rendezvous/directory_store.h"
#include "collectives/rendezvous/redis_store.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/redis_server.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

SteadyTime Soon() { return SystemClock().Now() + std::chrono::seconds(20); }

class RendezvousStoreTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "directory") {
      store_ = std::make_unique<DirectoryStore>(folder_.path());
      return;
    }
    if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server here";
    server_ = std::make_unique<RedisServer>();
    store_ = std::make_unique<RedisStore>(
        RedisStoreOptions{.address = server_->address()}, clock_);
  }

  SystemClock clock_;
  TemporaryFolder folder_;
  std::unique_ptr<RedisServer> server_;
  std::unique_ptr<RendezvousStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RendezvousStoreTest,
                         testing::Values("directory", "redis"),
                         [](const auto& info) { return info.param; });

TEST_P(RendezvousStoreTest, GivesWhatWasPut) {
  EXPECT_THAT(*store_->Get("job.e1.r0", Soon()), Eq(std::nullopt));
  const std::string value = std::string("ten\r\nbytes\0x", 12);
  EPLB_ASSERT_OK(store_->Put("job.e1.r0", value, Soon()));
  EXPECT_THAT(*store_->Get("job.e1.r0", Soon()), Optional(value));
  EXPECT_THAT(*store_->Get("job.e1.r1", Soon()), Eq(std::nullopt));
}

TEST_P(RendezvousStoreTest, GivesManyValuesInTheOrderOfTheirKeys) {
  EPLB_ASSERT_OK(store_->Put("r2", "two\r\n", Soon()));
  EPLB_ASSERT_OK(store_->Put("r0", "zero", Soon()));
  const std::vector<std::string> keys = {"r0", "r1", "r2", "r0"};
  EPLB_ASSERT_OK_AND_ASSIGN(const auto values, store_->GetAll(keys, Soon()));
  EXPECT_THAT(values,
              ElementsAre(Optional(Eq("zero")), Eq(std::nullopt),
                          Optional(Eq("two\r\n")), Optional(Eq("zero"))));
  EXPECT_THAT(*store_->GetAll({}, Soon()), IsEmpty());
}

TEST_P(RendezvousStoreTest, TheFirstValueStays) {
  EPLB_ASSERT_OK(store_->Put("key", "first", Soon()));
  EXPECT_THAT(store_->Put("key", "second", Soon()),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("key")));
  EXPECT_THAT(*store_->Get("key", Soon()), Optional(Eq("first")));
}

TEST_P(RendezvousStoreTest, OfManyAtOnceOnePuts) {
  std::vector<std::thread> threads;
  std::atomic<int> num_ok = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      num_ok += store_->Put("key", absl::StrCat("of ", i), Soon()).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_ok, 1);
}

TEST_P(RendezvousStoreTest, ForgetsWhatIsRemoved) {
  EPLB_ASSERT_OK(store_->Remove("key", Soon()));
  EPLB_ASSERT_OK(store_->Put("key", "value", Soon()));
  EPLB_ASSERT_OK(store_->Remove("key", Soon()));
  EXPECT_THAT(*store_->Get("key", Soon()), Eq(std::nullopt));
  EPLB_ASSERT_OK(store_->Put("key", "again", Soon()));
}

TEST(DirectoryStoreTest, OnlyTheUserCanRead) {
  TemporaryFolder folder;
  EPLB_ASSERT_OK(DirectoryStore(folder.path()).Put("key", "value", Soon()));
  struct stat status;
  ASSERT_EQ(stat(folder.PathOf("eplb.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
}

TEST(DirectoryStoreTest, NamesAFolderThatIsNotThere) {
  DirectoryStore store("/nowhere/at/all");
  EXPECT_THAT(
      store.Put("key", "value", Soon()),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/nowhere/at/all")));
  EXPECT_THAT(store.Get("key", Soon()), StatusIs(absl::StatusCode::kUnavailable,
                                                 HasSubstr("/nowhere/at/all")));
}

TEST(DirectoryStoreTest, RefusesAValueThatNoRankWrote) {
  TemporaryFolder folder;
  folder.Write("eplb.key",
               std::string(DirectoryStore::kMaxValueBytes + 1, 'x'));
  EXPECT_THAT(DirectoryStore(folder.path()).Get("key", Soon()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("eplb.key")));
}

TEST(RedisStoreTest, NamesAServerThatIsNotThere) {
  SystemClock clock;
  std::string address;
  {
    const absl::StatusOr<Socket> socket = ListenOn("127.0.0.1");
    address = absl::StrCat("127.0.0.1:", *LocalPort(*socket));
  }
  EXPECT_THAT(RedisStore({.address = address}, clock).Get("key", Soon()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
}

TEST(RedisStoreTest, ASilentServerCostsNoMoreThanTheDeadline) {
  SystemClock clock;
  const absl::StatusOr<Socket> silent = ListenOn("127.0.0.1");
  const std::string address = absl::StrCat("127.0.0.1:", *LocalPort(*silent));
  EXPECT_THAT(
      RedisStore({.address = address}, clock)
          .Get("key", clock.Now() + std::chrono::milliseconds(50)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr(address)));
}

}  // namespace
}  // namespace eplb
