#include "eplb/load/line_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::StatusOr<bool> LineReader::Next(std::string& line) {
  constexpr int64_t kBlock = 1 << 18;
  line.clear();
  while (true) {
    const size_t end = buffer_.find('\n', begin_);
    line_is_ended_ = end != std::string::npos;
    line.append(buffer_, begin_, end - begin_);
    if (line.size() > kMaxLineBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(file_.name(), ": line ", line_number_ + 1,
                       " has more than ", kMaxLineBytes, " bytes"));
    }
    if (line_is_ended_) {
      begin_ = end + 1;
      break;
    }
    const int64_t count = std::min(kBlock, file_.size() - offset_);
    if (count == 0) {
      begin_ = buffer_.size();
      if (line.empty()) return false;
      break;
    }
    buffer_.resize(static_cast<size_t>(count));
    begin_ = 0;
    EPLB_RETURN_IF_ERROR(
        file_.ReadAt(offset_, absl::MakeSpan(&buffer_[0], buffer_.size())));
    offset_ += count;
  }
  ++line_number_;
  return true;
}

}  // namespace eplb
