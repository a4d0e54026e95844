#include "tools/report/html.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "tools/byte_count.h"
#include "tools/command/exit_status.h"

namespace eplb {

std::string HtmlText(absl::string_view text) {
  return absl::StrReplaceAll(OneLine(text), {{"&", "&amp;"},
                                             {"<", "&lt;"},
                                             {">", "&gt;"},
                                             {"\"", "&quot;"},
                                             {"'", "&#39;"}});
}

std::string FigureText(absl::string_view path, absl::string_view text,
                       double scale) {
  return absl::StrCat(
      "<span data-json=\"", path, "\"",
      scale == 1 ? "" : absl::StrFormat(" data-scale=\"%.17g\"", scale), ">",
      text, "</span>");
}

std::string Figure(absl::string_view path, double value, int digits,
                   int scale) {
  return FigureText(path, absl::StrFormat("%.*f", digits, value * scale),
                    scale);
}

std::string CountFigure(absl::string_view path, int64_t count) {
  std::string digits = absl::StrCat(count);
  for (size_t i = digits.size(); i > 3; i -= 3) {
    digits.insert(i - 3, "&#8239;");
  }
  return FigureText(path, digits);
}

std::string BytesFigure(absl::string_view path, int64_t bytes) {
  const ScaledBytes scaled = ScaleBytes(static_cast<double>(bytes));
  return absl::StrCat(FigureText(path, scaled.count, 1 / scaled.unit_bytes),
                      " ", scaled.unit);
}

std::string MillisecondsFigure(absl::string_view path, double seconds) {
  const double milliseconds = seconds * 1000;
  const int digits = milliseconds >= 100  ? 0
                     : milliseconds >= 10 ? 1
                     : milliseconds >= 1  ? 2
                                          : 3;
  return absl::StrCat(Figure(path, seconds, digits, 1000), " ms");
}

std::string JsonForScript(absl::string_view text) {
  // In JSON, these stand in strings only.
  return absl::StrReplaceAll(
      text, {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
}

}  // namespace eplb
