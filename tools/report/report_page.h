// ReportPage: a report as one HTML page that needs nothing else.
//
//   EPLB_RETURN_IF_ERROR(WriteReport("report.html", report));
//
// The page loads nothing, says everything without scripts, follows the
// reader's choice of light or dark, can be read with keyboard and screen
// reader, and prints. Its figures are in it as JSON too, in the element of id
// "figures".

#ifndef EPLB_TOOLS_REPORT_REPORT_PAGE_H_
#define EPLB_TOOLS_REPORT_REPORT_PAGE_H_

#include <string>

#include "absl/status/status.h"
#include "tools/report/report.h"

namespace eplb {

// Whatever the texts of `report` hold, they stay text. Many steps are folded
// into means, of many rearrangements the last are listed: the size of the page
// has a limit.
std::string ReportPage(const Report& report);

// Replaces the file as a whole or leaves it as it was. Errors begin with the
// name.
absl::Status WriteReport(const std::string& name, const Report& report);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_PAGE_H_
