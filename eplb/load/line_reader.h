// LineReader: a file's lines one after another, in the memory of the longest.
//
//   std::string line;
//   EPLB_ASSIGN_OR_RETURN(bool more, lines.Next(line));

#ifndef EPLB_LOAD_LINE_READER_H_
#define EPLB_LOAD_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "eplb/load/input_file.h"

namespace eplb {

// Thread-compatible.
class LineReader {
 public:
  // A longer line is refused.
  static constexpr size_t kMaxLineBytes = size_t{1} << 28;

  explicit LineReader(InputFile file) : file_(std::move(file)) {}

  // Reads the next line, without its break, into `line`; false at the end.
  absl::StatusOr<bool> Next(std::string& line);

  // Of the last line read, from 1 on.
  int64_t line_number() const { return line_number_; }
  // Whether a line break ended it: only the last line of a file has none.
  bool line_is_ended() const { return line_is_ended_; }
  const std::string& file_name() const { return file_.name(); }

 private:
  InputFile file_;
  // Bytes that were read from the file and not given out yet.
  std::string buffer_;
  size_t begin_ = 0;
  int64_t offset_ = 0;
  int64_t line_number_ = 0;
  bool line_is_ended_ = false;
};

}  // namespace eplb

#endif  // EPLB_LOAD_LINE_READER_H_
