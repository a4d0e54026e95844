#include "collectives/rendezvous/job_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eplb {
namespace {

constexpr off_t kMaxSecretBytes = 4096;

absl::StatusOr<std::string> Checked(std::string secret,
                                    absl::string_view source) {
  if (secret.size() < size_t{kMinSecretBytes}) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": a secret of ", secret.size(),
                     " bytes; it must have ", kMinSecretBytes, " or more"));
  }
  return secret;
}

}  // namespace

absl::StatusOr<std::string> ReadJobSecret(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return absl::NotFoundError(
        absl::StrCat(path, ": cannot open: ", strerror(errno)));
  }
  const absl::Cleanup close_file = [fd] { close(fd); };
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > kMaxSecretBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is not a file of at most ", kMaxSecretBytes, " bytes"));
  }
  if (status.st_uid != geteuid() || (status.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        path,
        " can be read or written by others; it must be the user's own, "
        "with mode 0600"));
  }
  std::string secret(status.st_size, '\0');
  if (read(fd, secret.data(), secret.size()) !=
      static_cast<ssize_t>(secret.size())) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot read"));
  }
  if (!secret.empty() && secret.back() == '\n') secret.pop_back();
  return Checked(std::move(secret), path);
}

absl::StatusOr<std::string> JobSecretFromEnvironment() {
  if (const char* secret = getenv("EPLB_JOB_SECRET")) {
    return Checked(secret, "EPLB_JOB_SECRET");
  }
  if (const char* path = getenv("EPLB_JOB_SECRET_FILE")) {
    return ReadJobSecret(path);
  }
  return "";
}

}  // namespace eplb
