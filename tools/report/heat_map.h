// HeatMap: the loads of the ranks of every layer as an SVG element.
//
// The colours mean the same in every report: loads over the mean in fixed
// classes, "h0" (far below the mean) to "h9" (far above) of the page's style.

#ifndef EPLB_TOOLS_REPORT_HEAT_MAP_H_
#define EPLB_TOOLS_REPORT_HEAT_MAP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tools/report/rank_load_map.h"

namespace eplb {

// `id` is the element's, and its name in the page's JSON; `label` says what is
// shown. Each cell has its value as a title, which browsers show on hovering.
std::string HeatMap(absl::string_view id, absl::string_view label,
                    const RankLoadMap& map);

// What the colours stand for, for all maps of the page.
std::string HeatScale();

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_HEAT_MAP_H_
