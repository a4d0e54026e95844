#include "tools/house/error_check.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

constexpr absl::string_view kRawString = "R\"";

// Steps through C++ text, a comment, literal or character at a time.
class LiteralReader {
 public:
  explicit LiteralReader(absl::string_view text) : text_(text) {}

  std::vector<std::string> Read() {
    while (!text_.empty()) {
      if (absl::StartsWith(text_, "//") || absl::StartsWith(text_, "#inc")) {
        SkipBehind("\n");
      } else if (absl::StartsWith(text_, "/*")) {
        SkipBehind("*/");
      } else if (absl::StartsWith(text_, kRawString)) {
        SkipRawString();
      } else if (text_[0] == '"') {
        TakeString();
      } else if (text_[0] == '\'' && !absl::ascii_isalnum(last_)) {
        TakeQuoted('\'');
        follows_string_ = false;
      } else {
        last_ = text_[0];
        if (!absl::ascii_isspace(last_)) follows_string_ = false;
        text_.remove_prefix(1);
      }
    }
    return literals_;
  }

 private:
  void SkipBehind(absl::string_view mark) {
    const size_t found = text_.find(mark);
    text_.remove_prefix(std::min(text_.size(), found == text_.npos
                                                   ? text_.size()
                                                   : found + mark.size()));
  }

  void SkipRawString() {
    const std::string delimiter(
        text_.substr(kRawString.size(), text_.find('(') - kRawString.size()));
    SkipBehind(absl::StrCat(")", delimiter, "\""));
    follows_string_ = false;
  }

  // The text up to the next `quote`, without the backslashes of escapes.
  std::string TakeQuoted(char quote) {
    std::string value;
    size_t i = 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (text_[i] == '\\' && i + 1 < text_.size()) ++i;
      value.push_back(text_[i]);
    }
    text_.remove_prefix(std::min(text_.size(), i + 1));
    return value;
  }

  void TakeString() {
    const std::string value = TakeQuoted('"');
    if (follows_string_) {
      literals_.back() += value;
    } else {
      literals_.push_back(value);
    }
    follows_string_ = true;
  }

  absl::string_view text_;
  std::vector<std::string> literals_;
  // Whether only spaces and comments have come since the last string.
  bool follows_string_ = false;
  // The last character outside of literals and comments. An apostrophe right
  // behind a digit does not open a character: 1'000.
  char last_ = ' ';
};

bool IsPrinted(absl::string_view fragment,
               const std::vector<std::string>& literals) {
  const auto any = [&](auto condition) {
    return std::any_of(literals.begin(), literals.end(), condition);
  };
  if (any([&](const std::string& literal) {
        return absl::StrContains(literal, fragment);
      })) {
    return true;
  }
  for (size_t split = 1; split < fragment.size(); ++split) {
    if (any([&](const std::string& literal) {
          return absl::EndsWith(literal, fragment.substr(0, split));
        }) &&
        any([&](const std::string& literal) {
          return absl::StartsWith(literal, fragment.substr(split));
        })) {
      return true;
    }
  }
  return false;
}

// What stands in the parentheses that `text` begins behind.
absl::string_view Arguments(absl::string_view text) {
  int depth = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && text[i] == '(') {
      ++depth;
    } else if (!in_string && text[i] == ')' && --depth == 0) {
      return text.substr(0, i);
    }
  }
  return text;
}

// Shorter ones would stand for anything.
constexpr int kMinLetters = 6;
constexpr size_t kMinSharedText = 12;

bool HasWords(absl::string_view text) {
  return std::count_if(text.begin(), text.end(), absl::ascii_isalpha) >=
         kMinLetters;
}

absl::string_view WithoutSigns(absl::string_view text) {
  constexpr absl::string_view kSigns = " ,;:'()";
  const size_t begin = text.find_first_not_of(kSigns);
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(kSigns) + 1 - begin);
}

}  // namespace

std::vector<ErrorFragment> DocumentedErrorFragments(const SourceFile& page) {
  std::vector<ErrorFragment> fragments;
  const std::vector<std::string> lines = absl::StrSplit(page.text, '\n');
  bool in_table = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (absl::StartsWith(lines[i], "| message |")) in_table = true;
    if (!absl::StartsWith(lines[i], "|")) in_table = false;
    if (!in_table) continue;
    const std::vector<std::string> cells = absl::StrSplit(lines[i], " | ");
    const std::vector<std::string> parts = absl::StrSplit(cells[0], '`');
    // Every second part is inside of a code span.
    for (size_t span = 1; span < parts.size(); span += 2) {
      for (absl::string_view text : absl::StrSplit(parts[span], "...")) {
        text = absl::StripAsciiWhitespace(text);
        if (text.empty()) continue;
        fragments.push_back(
            {absl::StrCat(page.path, ":", i + 1), std::string(text)});
      }
    }
  }
  return fragments;
}

std::vector<std::string> StringLiterals(absl::string_view text) {
  return LiteralReader(text).Read();
}

std::vector<std::string> CheckDocumentedErrors(
    const SourceFile& page, const std::vector<SourceFile>& sources) {
  std::vector<std::string> literals;
  for (const SourceFile& source : sources) {
    const std::vector<std::string> more = StringLiterals(source.text);
    literals.insert(literals.end(), more.begin(), more.end());
  }
  std::vector<std::string> problems;
  for (const ErrorFragment& fragment : DocumentedErrorFragments(page)) {
    if (IsPrinted(fragment.text, literals)) continue;
    problems.push_back(absl::StrCat(fragment.place, ": no source prints \"",
                                    fragment.text, "\""));
  }
  return problems;
}

std::vector<ErrorFragment> PrintedErrors(const SourceFile& source) {
  constexpr absl::string_view kCall = "Error(";
  std::vector<ErrorFragment> errors;
  const absl::string_view text = source.text;
  for (size_t at = text.find(kCall); at != text.npos;
       at = text.find(kCall, at + 1)) {
    size_t name = at;
    while (name > 0 && absl::ascii_isalpha(text[name - 1])) --name;
    if (!absl::EndsWith(text.substr(0, name), "absl::")) continue;
    std::string longest;
    for (const std::string& literal :
         StringLiterals(Arguments(text.substr(at + kCall.size())))) {
      const absl::string_view words = WithoutSigns(literal);
      if (words.size() > longest.size()) longest = std::string(words);
    }
    if (!HasWords(longest)) continue;
    const auto line = std::count(text.begin(), text.begin() + at, '\n') + 1;
    errors.push_back({absl::StrCat(source.path, ":", line), longest});
  }
  return errors;
}

std::vector<std::string> CheckPrintedErrors(
    const SourceFile& page, const std::vector<SourceFile>& sources) {
  const std::vector<ErrorFragment> documented = DocumentedErrorFragments(page);
  std::vector<std::string> problems;
  for (const SourceFile& source : sources) {
    for (const ErrorFragment& error : PrintedErrors(source)) {
      const bool has_row = std::any_of(
          documented.begin(), documented.end(), [&](const ErrorFragment& row) {
            return absl::StrContains(row.text, error.text) ||
                   (row.text.size() >= kMinSharedText &&
                    absl::StrContains(error.text, row.text));
          });
      if (has_row) continue;
      problems.push_back(absl::StrCat(error.place, ": ", page.path,
                                      " has no row for \"", error.text, "\""));
    }
  }
  return problems;
}

}  // namespace eplb
