// The tables of the report page, as HTML. Each is empty when the report has
// nothing for it.

#ifndef EPLB_TOOLS_REPORT_REPORT_TABLES_H_
#define EPLB_TOOLS_REPORT_REPORT_TABLES_H_

#include <cstddef>
#include <string>

#include "tools/report/report.h"

namespace eplb {

// Some steps, evenly chosen, and how even they were.
std::string StepTable(const Report& report);

// The busiest rank of each layer, before and after.
std::string LayerTable(const Report& report);

std::string HottestTable(const Report& report);

// `num_rearrangements` is how many there were, when the report has only the
// last of them.
std::string RearrangementTable(const Report& report, size_t num_rearrangements);

std::string VariantTable(const Report& report);

std::string ConfigurationTable(const Report& report);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_REPORT_TABLES_H_
