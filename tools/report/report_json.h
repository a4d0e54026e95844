// ReportJson: the figures of a report page as one JSON object.

#ifndef EPLB_TOOLS_REPORT_REPORT_JSON_H_
#define EPLB_TOOLS_REPORT_REPORT_JSON_H_

#include <string>

#include "tools/report/report.h"

namespace eplb {

// Of format "eplb.report/1". All that the page shows and no more.
// `totals` are those of all rearrangements.
std::string ReportJson(const Report& report, const ReportTotals& totals);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_JSON_H_
