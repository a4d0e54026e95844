// Finds the commands in the documentation, so that a test can run them.
//
//   ```sh
//   ./bazelw test //...         every line is a command
//   ```
//   ```console
//   $ eplb help                 what follows "$ " is one, and the other lines
//   eplb balances ...           are what it prints
//   ```
//
// A trailing backslash goes on with the next line. In what is printed, a line
// "..." stands for any lines. A block after the comment
// <!-- not run: REASON --> is left out. A block with no language holds no
// commands; one that seems to is a problem.

#ifndef EPLB_TOOLS_HOUSE_DOCUMENTED_COMMANDS_H_
#define EPLB_TOOLS_HOUSE_DOCUMENTED_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tools/house/source_tree.h"

namespace eplb {

struct DocumentedCommand {
  std::string place;  // "README.md:17".
  std::string text;
  std::vector<std::string> output;
};

struct DocumentedCommands {
  std::vector<DocumentedCommand> commands;
  // Sentences about blocks that nobody would run.
  std::vector<std::string> problems;
};

DocumentedCommands FindDocumentedCommands(const SourceFile& page);

// The first line of `expected` that `printed` has not, after those before it;
// empty when it has all. Spaces at the ends of lines do not count.
std::string MissingLine(const std::vector<std::string>& expected,
                        absl::string_view printed);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_DOCUMENTED_COMMANDS_H_
