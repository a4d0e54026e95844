#include "tools/house/starlark_text.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace eplb {
namespace {

constexpr absl::string_view kDocstringQuotes = "\"\"\"";

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(c) || c == '_' || c == '.';
}

// Walks a file once, keeping the calls that are open where it stands.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  std::vector<QuotedString> Run() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == '#') {
        SkipTo(text_.find('\n', position_));
      } else if (absl::StartsWith(text_.substr(position_), kDocstringQuotes)) {
        const size_t end = text_.find(kDocstringQuotes, position_ + 3);
        SkipTo(end == absl::string_view::npos ? end : end + 3);
      } else if (c == '"') {
        TakeString();
      } else if (IsNameCharacter(c)) {
        TakeName();
      } else {
        TakeBracket(c);
      }
    }
    return std::move(found_);
  }

 private:
  void SkipTo(size_t end) {
    end = std::min(end, text_.size());
    for (; position_ < end; ++position_) line_ += text_[position_] == '\n';
  }

  void TakeString() {
    size_t end = position_ + 1;
    while (end < text_.size() && text_[end] != '"') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    end = std::min(end, text_.size());
    found_.push_back(
        {line_, calls_.empty() ? "" : calls_.back(),
         std::string(text_.substr(position_ + 1, end - position_ - 1))});
    SkipTo(end + 1);
  }

  void TakeName() {
    const size_t begin = position_;
    while (position_ < text_.size() && IsNameCharacter(text_[position_])) {
      ++position_;
    }
    name_ = std::string(text_.substr(begin, position_ - begin));
  }

  void TakeBracket(char c) {
    if (c == '(') calls_.push_back(name_);
    if (c == ')' && !calls_.empty()) calls_.pop_back();
    if (c != ' ') name_.clear();
    SkipTo(position_ + 1);
  }

  absl::string_view text_;
  size_t position_ = 0;
  int line_ = 1;
  std::string name_;
  std::vector<std::string> calls_;
  std::vector<QuotedString> found_;
};

}  // namespace

std::vector<QuotedString> QuotedStrings(absl::string_view starlark) {
  return Scanner(starlark).Run();
}

}  // namespace eplb
