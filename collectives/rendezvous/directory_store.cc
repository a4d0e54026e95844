#include "collectives/rendezvous/directory_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status FileError(absl::string_view path, absl::string_view what) {
  return absl::UnavailableError(
      absl::StrCat(path, ": cannot ", what, ": ", strerror(errno)));
}

}  // namespace

std::string DirectoryStore::PathOf(absl::string_view key) const {
  return absl::StrCat(path_, "/eplb.", key);
}

absl::Status DirectoryStore::Put(absl::string_view key, absl::string_view value,
                                 SteadyTime /*deadline*/) {
  const std::string path = PathOf(key);
  std::string partial = absl::StrCat(path, ".XXXXXX");
  const int fd = mkostemp(partial.data(), O_CLOEXEC);  // With mode 0600.
  if (fd < 0) return FileError(partial, "make the file");
  const absl::Cleanup remove_partial = [&] {
    close(fd);
    unlink(partial.c_str());
  };
  if (write(fd, value.data(), value.size()) !=
          static_cast<ssize_t>(value.size()) ||
      fsync(fd) != 0) {
    return FileError(partial, "write");
  }
  // Unlike rename(2), link(2) does not replace what is there.
  if (link(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  if (errno != EEXIST) return FileError(path, "make the file");
  return absl::AlreadyExistsError(absl::StrCat(path, " is there already"));
}

absl::StatusOr<std::optional<std::string>> DirectoryStore::Get(
    absl::string_view key, SteadyTime /*deadline*/) {
  const std::string path = PathOf(key);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    if (access(path_.c_str(), X_OK) != 0) return FileError(path_, "enter");
    return std::nullopt;
  }
  if (fd < 0) return FileError(path, "open");
  const absl::Cleanup close_file = [fd] { close(fd); };
  struct stat status;
  if (fstat(fd, &status) != 0) return FileError(path, "read");
  if (!S_ISREG(status.st_mode) || status.st_size > kMaxValueBytes) {
    return absl::DataLossError(absl::StrCat(path, " is not a file of at most ",
                                            kMaxValueBytes,
                                            " bytes, so no rank wrote it"));
  }
  std::string value(status.st_size, '\0');
  if (read(fd, value.data(), value.size()) !=
      static_cast<ssize_t>(value.size())) {
    return FileError(path, "read");
  }
  return value;
}

absl::Status DirectoryStore::Remove(absl::string_view key,
                                    SteadyTime /*deadline*/) {
  const std::string path = PathOf(key);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(path, "remove");
}

std::string DirectoryStore::ToString() const {
  return absl::StrCat("the directory ", path_);
}

}  // namespace eplb
