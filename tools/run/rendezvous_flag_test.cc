#include "tools/run/rendezvous_flag.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(RendezvousFlagTest, OpensADirectory) {
  SystemClock clock;
  const TemporaryFolder folder;
  const auto store = OpenRendezvous("file://" + folder.path(), clock);
  ASSERT_THAT(store, IsOk());
  const SteadyTime deadline = clock.Now() + std::chrono::minutes(1);
  ASSERT_THAT((*store)->Put("a", "b", deadline), IsOk());
  EXPECT_EQ(folder.Read("eplb.a"), "b");
}

TEST(RendezvousFlagTest, OpensRedis) {
  SystemClock clock;
  const auto store = OpenRendezvous("redis://10.0.0.1:6379/", clock);
  ASSERT_THAT(store, IsOk());
  EXPECT_THAT((*store)->ToString(), HasSubstr("10.0.0.1:6379"));
}

TEST(RendezvousFlagTest, RefusesWhatItDoesNotKnow) {
  SystemClock clock;
  for (const char* const wrong :
       {"", "file://relative", "/tmp", "http://host:1", "redis://"}) {
    EXPECT_THAT(OpenRendezvous(wrong, clock),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("must be file:///DIR or redis://HOST:PORT")))
        << wrong;
  }
  const TemporaryFolder folder;
  EXPECT_THAT(OpenRendezvous("file://" + folder.PathOf("none"), clock),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(OpenRendezvous("file://" + folder.Write("plain", ""), clock),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is no directory")));
}

class LocalRendezvousTest : public ::testing::Test {
 protected:
  LocalRendezvousTest() { setenv("TMPDIR", folder_.path().c_str(), 1); }
  ~LocalRendezvousTest() override { unsetenv("TMPDIR"); }

  const TemporaryFolder folder_;
};

TEST_F(LocalRendezvousTest, IsThereForTheUserAloneUntilTheLastOneLeaves) {
  SystemClock clock;
  auto first = LocalRendezvous::Open("job-1");
  auto second = LocalRendezvous::Open("job-1");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*first)->address(), (*second)->address());
  const std::string path = (*first)->address().substr(7);
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0) << path;
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  const auto store = OpenRendezvous((*second)->address(), clock);
  ASSERT_THAT(store, IsOk());
  ASSERT_THAT((*store)->Put("k", "v", clock.Now() + std::chrono::minutes(1)),
              IsOk());
  first->reset();
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  ASSERT_THAT((*store)->Remove("k", clock.Now() + std::chrono::minutes(1)),
              IsOk());
  second->reset();
  EXPECT_NE(stat(path.c_str(), &status), 0);
}

TEST_F(LocalRendezvousTest, RefusesADirectoryThatOthersCanEnter) {
  auto first = LocalRendezvous::Open("job-2");
  ASSERT_THAT(first, IsOk());
  ASSERT_EQ(chmod((*first)->address().substr(7).c_str(), 0755), 0);
  EXPECT_THAT(LocalRendezvous::Open("job-2"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

}  // namespace
}  // namespace eplb
