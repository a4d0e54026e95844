// PageFigures: the JSON that is in a report page, for tests.

#ifndef EPLB_TOOLS_REPORT_PAGE_FIGURES_H_
#define EPLB_TOOLS_REPORT_PAGE_FIGURES_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace eplb {

inline nlohmann::json PageFigures(const std::string& page) {
  constexpr absl::string_view kBegin =
      "<script type=\"application/json\" id=\"figures\">";
  const size_t begin = page.find(kBegin.data(), 0, kBegin.size());
  if (begin == std::string::npos) {
    ADD_FAILURE() << "no figures in the page";
    return {};
  }
  const size_t from = begin + kBegin.size();
  return nlohmann::json::parse(
      page.substr(from, page.find("</script>", from) - from));
}

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_PAGE_FIGURES_H_
