#include "tools/report_command.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/status_macros.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"
#include "tools/report/dump_report.h"
#include "tools/report/report_page.h"

namespace eplb {
namespace {

struct ReportOptions {
  std::string input;
  std::string output;
};

absl::Status RunReport(const ReportOptions& options, CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const DumpReport dump, ReadDumpReport(options.input));
  for (const std::string& warning : dump.warnings) output.Warn(warning);
  EPLB_RETURN_IF_ERROR(WriteReport(options.output, dump.report));
  output.Print(absl::StrCat(options.output, ": ", dump.report.points.size(),
                            " windows, ", dump.report.rearrangements.size(),
                            " rearrangements\n"));
  return absl::OkStatus();
}

}  // namespace

Command ReportCommand() {
  auto options = std::make_shared<ReportOptions>();
  return {
      .name = "report",
      .summary = "makes a page of a load dump",
      .description =
          "Writes one HTML page that needs nothing else: balancedness over\n"
          "time, the loads of the ranks, the hottest experts, what moved.",
      .examples = {"--input=testing/data/small_expert_load.jsonl "
                   "--output=report.html"},
      .flags = {Required(TextFlag("input", "FILE", "a load dump (.jsonl)",
                                  options->input)),
                Required(TextFlag("output", "FILE",
                                  "where the page goes (.html)",
                                  options->output))},
      .run = [options](CommandOutput& output) {
        return RunReport(*options, output);
      }};
}

}  // namespace eplb
