#include "eplb/load/file_error.h"

#include <cerrno>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

TEST(FileErrorTest, TellsFileActionAndReason) {
  EXPECT_THAT(FileError("a.npy", "open", ENOENT),
              StatusIs(absl::StatusCode::kNotFound,
                       "a.npy: cannot open: No such file or directory"));
  EXPECT_THAT(FileError("a.npy", "open", EACCES),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       "a.npy: cannot open: Permission denied"));
  EXPECT_THAT(FileError("a.npy", "write", ENOSPC),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       "a.npy: cannot write: No space left on device"));
  EXPECT_THAT(FileError("a.npy", "read", EIO),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "a.npy: cannot read: Input/output error"));
}

}  // namespace
}  // namespace eplb
