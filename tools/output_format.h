// The --format flag of every command that has results.

#ifndef EPLB_TOOLS_OUTPUT_FORMAT_H_
#define EPLB_TOOLS_OUTPUT_FORMAT_H_

#include <string>

#include "tools/command/flag.h"

namespace eplb {

struct OutputFormat {
  std::string name = "text";

  bool is_json() const { return name == "json"; }
};

// `format` is borrowed by the flag.
inline Flag FormatFlag(OutputFormat& format) {
  return ChoiceFlag("format", {"text", "json"},
                    "tables to read, or one JSON object", format.name);
}

}  // namespace eplb

#endif  // EPLB_TOOLS_OUTPUT_FORMAT_H_
