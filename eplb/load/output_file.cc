#include "eplb/load/output_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/file_error.h"

namespace eplb {
namespace {

absl::Status WriteAll(int descriptor, const std::string& name,
                      absl::string_view content) {
  while (!content.empty()) {
    const ssize_t count = write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(name, "write", errno);
    content.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

// Writes `content` to the new file `temporary`; errors are about `name`.
absl::Status WriteNewFile(const std::string& temporary, const std::string& name,
                          absl::string_view content) {
  const int descriptor =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(name, "write", errno);
  absl::Status status = WriteAll(descriptor, name, content);
  // Without it a crash of the machine may leave the new name on an empty file.
  if (status.ok() && fsync(descriptor) != 0) {
    status = FileError(name, "write", errno);
  }
  if (close(descriptor) != 0 && status.ok()) {
    status = FileError(name, "write", errno);
  }
  return status;
}

// The file that `name` is or leads to; where there is none, `name`.
absl::StatusOr<std::string> TargetOf(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError("the name of a file to write is empty");
  }
  struct stat facts;
  if (stat(name.c_str(), &facts) != 0) return name;
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": cannot write: exists and is no regular file"));
  }
  const std::unique_ptr<char, void (*)(void*)> path(
      realpath(name.c_str(), nullptr), free);
  if (path == nullptr) return FileError(name, "write", errno);
  return std::string(path.get());
}

// Beside its target, so that it can be renamed; of this process.
std::string TemporaryOf(const std::string& target) {
  return absl::StrCat(target, ".", getpid(), ".tmp");
}

}  // namespace

absl::Status ReplaceFile(const std::string& name, absl::string_view content) {
  EPLB_ASSIGN_OR_RETURN(const std::string target, TargetOf(name));
  const std::string temporary = TemporaryOf(target);
  // What a process of the same number left behind when it was killed.
  unlink(temporary.c_str());
  absl::Status status = WriteNewFile(temporary, name, content);
  if (status.ok() && rename(temporary.c_str(), target.c_str()) != 0) {
    status = FileError(name, "write", errno);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status CheckReplaceable(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(const std::string target, TargetOf(name));
  const std::string temporary = TemporaryOf(target);
  unlink(temporary.c_str());
  const absl::Status status = WriteNewFile(temporary, name, "");
  unlink(temporary.c_str());
  return status;
}

}  // namespace eplb
