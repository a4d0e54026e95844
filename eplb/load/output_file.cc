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

}  // namespace

absl::Status ReplaceFile(const std::string& name, absl::string_view content) {
  if (name.empty()) {
    return absl::InvalidArgumentError("the name of a file to write is empty");
  }
  std::string target = name;
  struct stat facts;
  if (stat(name.c_str(), &facts) == 0) {
    if (!S_ISREG(facts.st_mode)) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": cannot write: exists and is no regular file"));
    }
    const std::unique_ptr<char, void (*)(void*)> path(
        realpath(name.c_str(), nullptr), free);
    if (path == nullptr) return FileError(name, "write", errno);
    target = path.get();
  }
  const std::string temporary = absl::StrCat(target, ".", getpid(), ".tmp");
  // What a process of the same number left behind when it was killed.
  unlink(temporary.c_str());
  absl::Status status = WriteNewFile(temporary, name, content);
  if (status.ok() && rename(temporary.c_str(), target.c_str()) != 0) {
    status = FileError(name, "write", errno);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace eplb
