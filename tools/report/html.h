// Text and numbers as they stand in a page.
//
//   absl::StrCat("<td>", HtmlText(name), "</td>");
//   Figure("rearrangements.3.moved_slots", 14, /*digits=*/0);

#ifndef EPLB_TOOLS_REPORT_HTML_H_
#define EPLB_TOOLS_REPORT_HTML_H_

#include <string>

#include "absl/strings/string_view.h"

namespace eplb {

// `text` on one line, for the content of an element or an attribute in double
// quotes, whatever it holds.
std::string HtmlText(absl::string_view text);

// `value` with `digits` after the point, multiplied by `scale`, in an element
// that names the place of the value in the page's JSON.
std::string Figure(absl::string_view path, double value, int digits,
                   int scale = 1);

// The JSON `text` for the content of a script element, which it cannot end.
std::string JsonForScript(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_HTML_H_
