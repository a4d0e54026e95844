// DumpReport: the report of a load dump.
//
//   EPLB_ASSIGN_OR_RETURN(DumpReport dump, ReadDumpReport("m.jsonl"));
//   EPLB_RETURN_IF_ERROR(WriteReport("m.html", dump.report));

#ifndef EPLB_TOOLS_REPORT_DUMP_REPORT_H_
#define EPLB_TOOLS_REPORT_DUMP_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/report/report.h"

namespace eplb {

struct DumpReport {
  Report report;
  // Sentences for people about what was left out.
  std::vector<std::string> warnings;
};

// Each line is a point, at its step, or at its number when the steps do not
// rise. A line whose placement differs from that of the line before is a
// rearrangement; "before" are the lines up to the first, "after" those from
// the last on. Errors begin with the name, and with the line where one is at
// fault: model, layers and logical experts are the same in all lines.
absl::StatusOr<DumpReport> ReadDumpReport(const std::string& name);

}  // namespace eplb

#endif  // EPLB_TOOLS_REPORT_DUMP_REPORT_H_
