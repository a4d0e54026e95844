// CommandOutput: where a command says things. Results are kept until it has
// succeeded; what is for people goes out at once, beside them.
//
//   output.Print(table.ToString(output.color()));
//   output.Warn("layer 3 has no load");

#ifndef EPLB_TOOLS_COMMAND_COMMAND_OUTPUT_H_
#define EPLB_TOOLS_COMMAND_COMMAND_OUTPUT_H_

#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/command/exit_status.h"

namespace eplb {

// Thread-compatible.
class CommandOutput {
 public:
  // `color` tells whether results may carry escape sequences.
  CommandOutput(std::ostream& diagnostics, bool color)
      : diagnostics_(diagnostics), color_(color) {}

  bool color() const { return color_; }

  void Print(absl::string_view text) {
    results_.append(text.data(), text.size());
  }
  const std::string& results() const { return results_; }

  void Warn(absl::string_view sentence) {
    diagnostics_ << "eplb: warning: " << OneLine(sentence) << "\n";
  }

 private:
  std::ostream& diagnostics_;
  bool color_;
  std::string results_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_COMMAND_OUTPUT_H_
