#include "collectives/rendezvous/job_secret.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using testing::HasSubstr;

class JobSecretTest : public testing::Test {
 protected:
  std::string Write(const std::string& content, mode_t mode) {
    const std::string path = folder_.Write("secret", content);
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  void TearDown() override {
    unsetenv("EPLB_JOB_SECRET");
    unsetenv("EPLB_JOB_SECRET_FILE");
  }

  TemporaryFolder folder_;
};

TEST_F(JobSecretTest, IsTheFileWithoutItsLastLineBreak) {
  const std::string path = Write("0123456789abcdef\n", 0600);
  EXPECT_EQ(*ReadJobSecret(path), "0123456789abcdef");
}

TEST_F(JobSecretTest, RefusesAFileThatOthersCanReadOrWrite) {
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0602}) {
    EXPECT_THAT(
        ReadJobSecret(Write("0123456789abcdef", mode)),
        StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("0600")));
  }
}

TEST_F(JobSecretTest, RefusesWhatCouldBeGuessed) {
  EXPECT_THAT(ReadJobSecret(Write("short", 0600)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16")));
}

TEST_F(JobSecretTest, NamesAFileThatIsNotThere) {
  EXPECT_THAT(ReadJobSecret(folder_.PathOf("nothing")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
}

TEST_F(JobSecretTest, ComesFromTheEnvironment) {
  EXPECT_EQ(*JobSecretFromEnvironment(), "");
  setenv("EPLB_JOB_SECRET_FILE", Write("0123456789abcdef", 0600).c_str(), 1);
  EXPECT_EQ(*JobSecretFromEnvironment(), "0123456789abcdef");
  setenv("EPLB_JOB_SECRET", "fedcba9876543210", 1);
  EXPECT_EQ(*JobSecretFromEnvironment(), "fedcba9876543210");
}

}  // namespace
}  // namespace eplb
