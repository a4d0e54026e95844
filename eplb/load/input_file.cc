#include "eplb/load/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/file_error.h"

namespace eplb {

absl::StatusOr<InputFile> InputFile::Open(std::string name) {
  if (name.empty() || name.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        name.empty() ? "the name of a file is empty"
                     : "the name of a file has a zero byte in it");
  }
  // Opening a FIFO waits for a writer without O_NONBLOCK.
  const int descriptor =
      open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) return FileError(name, "open", errno);
  InputFile file(std::move(name), descriptor, 0);
  struct stat facts;
  if (fstat(descriptor, &facts) != 0) {
    return FileError(file.name_, "look at", errno);
  }
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name_, ": is a ",
                     S_ISDIR(facts.st_mode) ? "folder" : "pipe or device",
                     "; only regular files are read"));
  }
  file.size_ = facts.st_size;
  return file;
}

InputFile::InputFile(std::string name, int descriptor, int64_t size)
    : name_(std::move(name)), descriptor_(descriptor), size_(size) {}

InputFile::InputFile(InputFile&& other) noexcept
    : name_(std::move(other.name_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status InputFile::ReadAt(int64_t offset, absl::Span<char> buffer) const {
  while (!buffer.empty()) {
    const ssize_t count =
        pread(descriptor_, buffer.data(), buffer.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(name_, "read", errno);
    if (count == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": ends at byte ", offset, ", ", buffer.size(),
                       " bytes too early"));
    }
    offset += count;
    buffer.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> InputFile::ReadHead(int64_t max_bytes) const {
  std::string head(static_cast<size_t>(std::min(max_bytes, size_)), '\0');
  EPLB_RETURN_IF_ERROR(ReadAt(0, absl::MakeSpan(&head[0], head.size())));
  return head;
}

absl::StatusOr<std::string> InputFile::ReadAll() const {
  if (size_ > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        name_, ": has ", size_, " bytes; a text file of loads or placements ",
        "has at most ", kMaxTextBytes));
  }
  return ReadHead(size_);
}

}  // namespace eplb
