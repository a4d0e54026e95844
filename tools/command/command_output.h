// CommandOutput: where a command says things. Results are kept until it has
// succeeded; what is for people goes out at once, beside them.
//
//   output.Print(table.ToString(output.color()));
//   output.Warn("layer 3 has no load");
//   output.ShowProgress("step 100 of 400");

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
  // `color` tells whether results may carry escape sequences, `progress`
  // whether the diagnostics go to a terminal, where a line can be replaced.
  CommandOutput(std::ostream& diagnostics, bool color, bool progress = false)
      : diagnostics_(diagnostics), color_(color), progress_(progress) {}
  ~CommandOutput() { ClearProgress(); }

  bool color() const { return color_; }

  void Print(absl::string_view text) {
    results_.append(text.data(), text.size());
  }
  const std::string& results() const { return results_; }

  void Warn(absl::string_view sentence) {
    ClearProgress();
    diagnostics_ << "eplb: warning: " << OneLine(sentence) << "\n";
  }

  // Shows how far the work is, in place of what was shown before; nothing
  // where there is no terminal.
  void ShowProgress(absl::string_view line) {
    if (!progress_ || line == shown_) return;
    ClearProgress();
    shown_ = OneLine(line);
    diagnostics_ << shown_ << std::flush;
  }
  void ClearProgress() {
    if (shown_.empty()) return;
    diagnostics_ << "\r\x1b[K" << std::flush;
    shown_.clear();
  }

 private:
  std::ostream& diagnostics_;
  bool color_;
  bool progress_;
  std::string shown_;
  std::string results_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_COMMAND_OUTPUT_H_
