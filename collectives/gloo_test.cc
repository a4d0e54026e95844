#include "collectives/gloo.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/rendezvous/directory_store.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class GlooTest : public testing::Test {
 protected:
  GlooJobOptions OptionsOf(int rank, int num_ranks = 2) {
    GlooJobOptions options;
    options.job_id = "gloo-test";
    options.rank = rank;
    options.num_ranks = num_ranks;
    options.secret = "known to both ranks";
    return options;
  }

  absl::StatusOr<std::unique_ptr<GlooCommunicatorFactory>> Create(
      const GlooJobOptions& options) {
    return GlooCommunicatorFactory::Create(
        options, std::make_shared<DirectoryStore>(folder_.path()), clock_);
  }

  SteadyTime Soon() { return clock_.Now() + std::chrono::seconds(20); }

  // What rank 0 has left in the store, once it has.
  std::string AddressOfRank0() {
    DirectoryStore store(folder_.path());
    while (true) {
      const auto entry = store.Get("gloo-test.e1.r0", Soon());
      if (entry.ok() && entry->has_value()) {
        return (*entry)->substr((*entry)->rfind(' ') + 1);
      }
      std::this_thread::yield();
    }
  }

  SystemClock clock_;
  TemporaryFolder folder_;
};

TEST_F(GlooTest, RefusesToListenOnEveryNetworkUnlessAsked) {
  for (const char* address : {"0.0.0.0", "::", "::ffff:0.0.0.0", "0"}) {
    GlooJobOptions options = OptionsOf(0);
    options.listen_address = address;
    EXPECT_THAT(Create(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("allow_any_address")))
        << address;
    options.allow_any_address = true;
    EXPECT_THAT(Create(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("advertised_address")))
        << address;
    options.advertised_address = "127.0.0.1";
    EPLB_EXPECT_OK(Create(options)) << address;
  }
}

TEST_F(GlooTest, RefusesOptionsThatMakeNoSense) {
  GlooJobOptions options = OptionsOf(0);
  options.job_id = "../elsewhere";
  EXPECT_THAT(Create(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("../elsewhere")));
  EXPECT_THAT(
      Create(OptionsOf(/*rank=*/3)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rank 3")));
  EXPECT_THAT(Create(OptionsOf(0, /*num_ranks=*/1000)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1000")));
  options = OptionsOf(0);
  options.listen_address = "no.such.host.invalid";
  EXPECT_THAT(Create(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("no.such.host.invalid")));
}

TEST_F(GlooTest, DropsAndCountsStrangersAndGoesOn) {
  EPLB_ASSERT_OK_AND_ASSIGN(const auto first, Create(OptionsOf(0)));
  std::thread rank_0([&] {
    EPLB_ASSERT_OK_AND_ASSIGN(const auto communicator,
                              first->Connect(/*epoch=*/1, {0, 1}, Soon()));
    EPLB_EXPECT_OK(communicator->Barrier(Soon()));
  });
  const std::string address = AddressOfRank0();
  // A web browser, a port scan, and one that speaks the protocol's first words.
  const std::string greetings[] = {
      absl::StrCat("GET / HTTP/1.1\r\n", std::string(200, 'x')), "",
      absl::StrCat("EPLBmesh", std::string(64, '\0'))};
  for (const std::string& greeting : greetings) {
    EPLB_ASSERT_OK_AND_ASSIGN(const Socket stranger,
                              ConnectTo(address, clock_, Soon()));
    EPLB_EXPECT_OK(WriteAll(stranger, greeting, clock_, Soon()));
  }
  // One who says nothing and stays.
  EPLB_ASSERT_OK_AND_ASSIGN(const Socket silent,
                            ConnectTo(address, clock_, Soon()));
  // They are looked at before the rank that comes after them.
  EPLB_ASSERT_OK_AND_ASSIGN(const auto second, Create(OptionsOf(1)));
  EPLB_ASSERT_OK_AND_ASSIGN(const auto communicator,
                            second->Connect(/*epoch=*/1, {0, 1}, Soon()));
  EPLB_EXPECT_OK(communicator->Barrier(Soon()));
  rank_0.join();
  EXPECT_EQ(first->num_strangers(), 3);
}

TEST_F(GlooTest, ARankWithAnotherSecretIsAStranger) {
  EPLB_ASSERT_OK_AND_ASSIGN(const auto first, Create(OptionsOf(0)));
  std::thread rank_0([&] {
    EPLB_EXPECT_OK(first->Connect(/*epoch=*/1, {0, 1}, Soon()));
  });
  GlooJobOptions wrong = OptionsOf(1);
  wrong.secret = "known to nobody else";
  {
    EPLB_ASSERT_OK_AND_ASSIGN(const auto stranger, Create(wrong));
    EXPECT_THAT(stranger->Connect(/*epoch=*/1, {0, 1}, Soon()),
                StatusIs(absl::StatusCode::kPermissionDenied,
                         AllOf(HasSubstr("rank 0"), HasSubstr("secret"))));
  }
  EPLB_ASSERT_OK_AND_ASSIGN(const auto second, Create(OptionsOf(1)));
  EPLB_EXPECT_OK(second->Connect(/*epoch=*/1, {0, 1}, Soon()));
  rank_0.join();
  EXPECT_EQ(first->num_strangers(), 1);
}

TEST_F(GlooTest, LeavesNothingBehind) {
  {
    EPLB_ASSERT_OK_AND_ASSIGN(const auto factory, Create(OptionsOf(0, 1)));
    EPLB_ASSERT_OK(factory->Connect(/*epoch=*/1, {0}, Soon()));
    EPLB_ASSERT_OK(factory->Connect(/*epoch=*/2, {0}, Soon()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(GlooTest, AnotherTransportThanTcpIsNamedWhenItIsMissing) {
  GlooJobOptions options = OptionsOf(0, 2);
  options.ibverbs_device = "no_such_device";
  EPLB_ASSERT_OK_AND_ASSIGN(const auto first, Create(options));
  options.rank = 1;
  EPLB_ASSERT_OK_AND_ASSIGN(const auto second, Create(options));
  absl::Status status;
  std::thread rank_0([&] {
    status = first->Connect(/*epoch=*/1, {0, 1}, Soon()).status();
  });
  EXPECT_FALSE(second->Connect(/*epoch=*/1, {0, 1}, Soon()).ok());
  rank_0.join();
  EXPECT_THAT(status.ToString(), HasSubstr("no_such_device"));
}

}  // namespace
}  // namespace eplb
