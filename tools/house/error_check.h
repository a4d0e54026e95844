// Holds docs/errors.md and the sources to each other: every message that the
// page lists is printed by some source, and every error of a source has a row.
//
//   | message | status | means | do |
//   |---|---|---|---|
//   | `layer ... has no slot` | ...
//
// What stands between dots and the ends of a code span is a fragment. It must
// be in a string literal, whose pieces on several lines count as one, or begin
// in the end of one literal and go on with the beginning of another.

#ifndef EPLB_TOOLS_HOUSE_ERROR_CHECK_H_
#define EPLB_TOOLS_HOUSE_ERROR_CHECK_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/house/source_tree.h"

namespace eplb {

struct ErrorFragment {
  std::string place;  // "docs/errors.md:17".
  std::string text;
};

// Of the first cells of all tables whose first column is called "message".
std::vector<ErrorFragment> DocumentedErrorFragments(const SourceFile& page);

// The string literals of C++ text, without those of #include lines: joined
// where only spaces and comments stand between, and with \" as ". Raw strings
// are left out.
std::vector<std::string> StringLiterals(absl::string_view text);

// One sentence per fragment that no source prints.
std::vector<std::string> CheckDocumentedErrors(
    const SourceFile& page, const std::vector<SourceFile>& sources);

// The longest literal of each call of absl::...Error in a source, at its line,
// without the signs and spaces around it; calls without words are left out.
std::vector<ErrorFragment> PrintedErrors(const SourceFile& source);

// One sentence per error of `sources` that shares no words with the page.
std::vector<std::string> CheckPrintedErrors(
    const SourceFile& page, const std::vector<SourceFile>& sources);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_ERROR_CHECK_H_
