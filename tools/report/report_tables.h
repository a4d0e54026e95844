// The tables of the report page, as HTML. Each is empty when the report has
// nothing for it.

#ifndef EPLB_TOOLS_REPORT_REPORT_TABLES_H_
#define EPLB_TOOLS_REPORT_REPORT_TABLES_H_

#include <cstddef>
#include <string>

#include "tools/report/report.h"

namespace eplb {

// What the busiest rank carries over the mean, from 1.85 to 1.12.
std::string BusiestText(double balancedness_before, double balancedness_after);

// Entries of a list: slots and bytes moved, planning and stall times.
std::string MovedTiles(const Report& report);

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
