#include "tools/run/rendezvous_flag.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "collectives/rendezvous/directory_store.h"
#include "collectives/rendezvous/redis_store.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"
#include "eplb/load/file_error.h"

namespace eplb {
namespace {

constexpr absl::string_view kFileScheme = "file://";
constexpr absl::string_view kRedisScheme = "redis://";

absl::Status CheckDirectory(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    return FileError(path, "use for rendezvous", errno);
  }
  if (S_ISDIR(status.st_mode)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, " is no directory"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<RendezvousStore>> OpenRendezvous(
    absl::string_view address, Clock& clock) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, kFileScheme) && absl::StartsWith(rest, "/")) {
    const std::string path(rest);
    const absl::Status status = CheckDirectory(path);
    if (!status.ok()) return status;
    return std::make_shared<DirectoryStore>(path);
  }
  if (absl::ConsumePrefix(&rest, kRedisScheme) && !rest.empty()) {
    RedisStoreOptions options;
    options.address = std::string(absl::StripSuffix(rest, "/"));
    return std::make_shared<RedisStore>(std::move(options), clock);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--rendezvous=", address, ": must be file:///DIR or redis://HOST:PORT"));
}

absl::StatusOr<std::unique_ptr<LocalRendezvous>> LocalRendezvous::Open(
    absl::string_view job_id) {
  const char* const folder = getenv("TMPDIR");
  std::string path =
      absl::StrCat(folder == nullptr || *folder == '\0' ? "/tmp" : folder,
                   "/eplb-", geteuid(), "-", job_id);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return FileError(path, "make", errno);
  }
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return FileError(path, "use", errno);
  if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & 0077) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": is not a directory that only this user can use"));
  }
  return absl::WrapUnique(new LocalRendezvous(std::move(path)));
}

LocalRendezvous::LocalRendezvous(std::string path)
    : path_(std::move(path)), owner_(getpid()) {}

LocalRendezvous::~LocalRendezvous() {
  // A fork of the owner has a copy of this object. And it fails while entries
  // of other processes are in the directory, as it should.
  if (getpid() == owner_) rmdir(path_.c_str());
}

std::string LocalRendezvous::address() const {
  return absl::StrCat(kFileScheme, path_);
}

}  // namespace eplb
