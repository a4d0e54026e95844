// Text and numbers as they stand in a page.
//
//   absl::StrCat("<td>", HtmlText(name), "</td>");
//   Figure("rearrangements.3.moved_slots", 14, /*digits=*/0);

#ifndef EPLB_TOOLS_REPORT_HTML_H_
#define EPLB_TOOLS_REPORT_HTML_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace eplb {

// `text` on one line, for the content of an element or an attribute in double
// quotes, whatever it holds.
std::string HtmlText(absl::string_view text);

// `text`, in an element that names the place in the page's JSON of the number
// that it says, multiplied by `scale`.
std::string FigureText(absl::string_view path, absl::string_view text,
                       double scale = 1);

// `value` with `digits` after the point, multiplied by `scale`.
std::string Figure(absl::string_view path, double value, int digits,
                   int scale = 1);

// With a thin space between groups of three digits.
std::string CountFigure(absl::string_view path, int64_t count);

// In the unit that suits it.
std::string BytesFigure(absl::string_view path, int64_t bytes);

// In milliseconds, to three digits where it has them.
std::string MillisecondsFigure(absl::string_view path, double seconds);

// The JSON `text` for the content of a script element, which it cannot end.
std::string JsonForScript(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_HTML_H_
