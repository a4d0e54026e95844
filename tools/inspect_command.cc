#include "tools/inspect_command.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/file_format.h"
#include "eplb/load/input_file.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"
#include "tools/inspect_loads.h"
#include "tools/inspect_placement.h"
#include "tools/output_format.h"

namespace eplb {
namespace {

struct InspectOptions {
  std::string file;
  OutputFormat format;
};

absl::Status RunInspect(const InspectOptions& options, CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const InputFile file, InputFile::Open(options.file));
  EPLB_ASSIGN_OR_RETURN(const FileFormat format, DetectFileFormat(file));
  return format == FileFormat::kPlacement
             ? InspectPlacement(options.file, options.format, output)
             : InspectLoads(options.file, options.format, output);
}

}  // namespace

Command InspectCommand() {
  auto options = std::make_shared<InspectOptions>();
  return {.name = "inspect",
          .summary = "checks and summarises a file",
          .description =
              "Reads all of a file, says what is wrong with it, or else what\n"
              "is in it.",
          .examples = {"testing/data/gptoss20b_domain_counts.npy",
                       "plan.json --format=json"},
          .arguments = {{"FILE", "a placement, loads or a load dump",
                         &options->file}},
          .flags = {FormatFlag(options->format)},
          .run = [options](CommandOutput& output) {
            return RunInspect(*options, output);
          }};
}

}  // namespace eplb
