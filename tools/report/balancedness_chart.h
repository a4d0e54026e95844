// BalancednessChart: balancedness over time as an SVG element, rearrangements
// marked.

#ifndef EPLB_TOOLS_REPORT_BALANCEDNESS_CHART_H_
#define EPLB_TOOLS_REPORT_BALANCEDNESS_CHART_H_

#include <string>

#include "tools/report/report.h"

namespace eplb {

// Of report.points, report.without and report.rearrangements. Steps without
// tokens are gaps. Colours and sizes of text are the page's.
std::string BalancednessChart(const Report& report);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_BALANCEDNESS_CHART_H_
