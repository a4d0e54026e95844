// ReportTiles: the figures at the head of the report page, as HTML.

#ifndef EPLB_TOOLS_REPORT_REPORT_TILES_H_
#define EPLB_TOOLS_REPORT_REPORT_TILES_H_

#include <string>

#include "tools/report/report.h"

namespace eplb {

// `totals` are those of all rearrangements, also when the report has only the
// last of them.
std::string ReportTiles(const Report& report, const ReportTotals& totals);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_TILES_H_
