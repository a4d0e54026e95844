// PageFigures: the JSON that is in a report page, for tests.

#ifndef EPLB_TOOLS_REPORT_PAGE_FIGURES_H_
#define EPLB_TOOLS_REPORT_PAGE_FIGURES_H_

#include <cstddef>
#include <string>

#include "nlohmann/json.hpp"

namespace eplb {

// Null when the page has none.
inline nlohmann::json PageFigures(const std::string& page) {
  const std::string before =
      "<script type=\"application/json\" id=\"figures\">";
  const size_t begin = page.find(before);
  if (begin == std::string::npos) return nullptr;
  const size_t from = begin + before.size();
  return nlohmann::json::parse(
      page.substr(from, page.find("</script>", from) - from));
}

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_PAGE_FIGURES_H_
