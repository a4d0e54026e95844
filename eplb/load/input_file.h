// InputFile: a file from outside, opened for reading.
//
//   EPLB_ASSIGN_OR_RETURN(InputFile file, InputFile::Open("loads.csv"));
//   EPLB_ASSIGN_OR_RETURN(std::string text, file.ReadAll());

#ifndef EPLB_LOAD_INPUT_FILE_H_
#define EPLB_LOAD_INPUT_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

// Only regular files: their size is known before anything is allocated, and
// reading them does not wait. Errors begin with the name. Thread-safe.
class InputFile {
 public:
  // A text longer than this is refused unread.
  static constexpr int64_t kMaxTextBytes = int64_t{1} << 30;

  static absl::StatusOr<InputFile> Open(std::string name);

  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  const std::string& name() const { return name_; }
  // The size when the file was opened.
  int64_t size() const { return size_; }

  // Fills `buffer` from `offset` on; an error when the file ends before.
  absl::Status ReadAt(int64_t offset, absl::Span<char> buffer) const;

  // The first bytes: `max_bytes`, or all when there are fewer.
  absl::StatusOr<std::string> ReadHead(int64_t max_bytes) const;

  // The whole text. InvalidArgument when it has more than kMaxTextBytes.
  absl::StatusOr<std::string> ReadAll() const;

 private:
  InputFile(std::string name, int descriptor, int64_t size);

  std::string name_;
  int descriptor_;
  int64_t size_;
};

}  // namespace eplb

#endif  // EPLB_LOAD_INPUT_FILE_H_
