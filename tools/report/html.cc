#include "tools/report/html.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "tools/command/exit_status.h"

namespace eplb {

std::string HtmlText(absl::string_view text) {
  return absl::StrReplaceAll(OneLine(text), {{"&", "&amp;"},
                                             {"<", "&lt;"},
                                             {">", "&gt;"},
                                             {"\"", "&quot;"},
                                             {"'", "&#39;"}});
}

std::string Figure(absl::string_view path, double value, int digits,
                   int scale) {
  return absl::StrCat(
      "<span data-json=\"", path, "\"",
      scale == 1 ? "" : absl::StrCat(" data-scale=\"", scale, "\""), ">",
      absl::StrFormat("%.*f", digits, value * scale), "</span>");
}

std::string JsonForScript(absl::string_view text) {
  // In JSON, these stand in strings only.
  return absl::StrReplaceAll(
      text, {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
}

}  // namespace eplb
