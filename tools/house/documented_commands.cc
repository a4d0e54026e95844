#include "tools/house/documented_commands.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/house/source_tree.h"

namespace eplb {
namespace {

constexpr absl::string_view kFence = "```";
constexpr absl::string_view kNotRun = "<!-- not run:";
constexpr absl::string_view kPrompt = "$ ";

struct Block {
  absl::string_view language;
  bool is_run = true;
  size_t first_line = 0;  // Counted from 0.
  std::vector<absl::string_view> lines;
};

std::vector<Block> FindBlocks(const std::vector<absl::string_view>& lines) {
  std::vector<Block> blocks;
  bool is_inside = false;
  bool is_run = true;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::string_view line = lines[i];
    if (absl::ConsumePrefix(&line, kFence)) {
      is_inside = !is_inside;
      if (is_inside) {
        blocks.push_back({absl::StripAsciiWhitespace(line), is_run, i + 1, {}});
        is_run = true;
      }
    } else if (is_inside) {
      blocks.back().lines.push_back(line);
    } else if (absl::StartsWith(line, kNotRun)) {
      is_run = false;
    } else if (!line.empty()) {
      is_run = true;
    }
  }
  return blocks;
}

bool LooksLikeACommand(absl::string_view line) {
  for (const absl::string_view beginning :
       {"$ ", "./bazelw ", "../../bazelw ", "eplb ", "mpirun "}) {
    if (absl::StartsWith(line, beginning)) return true;
  }
  return false;
}

// Ends where a line does not go on.
std::string TakeCommand(const Block& block, size_t& line) {
  std::string text(absl::StripPrefix(block.lines[line], kPrompt));
  while (absl::EndsWith(text, "\\") && line + 1 < block.lines.size()) {
    absl::StrAppend(&text, "\n", block.lines[++line]);
  }
  return text;
}

void TakeCommands(const SourceFile& page, const Block& block,
                  std::vector<DocumentedCommand>& commands) {
  const bool has_output = block.language == "console";
  const size_t begin = commands.size();
  for (size_t i = 0; i < block.lines.size(); ++i) {
    const absl::string_view line = block.lines[i];
    const bool is_command = has_output
                                ? absl::StartsWith(line, kPrompt)
                                : !absl::StripAsciiWhitespace(line).empty();
    if (is_command) {
      const std::string place =
          absl::StrCat(page.path, ":", block.first_line + i + 1);
      commands.push_back({place, TakeCommand(block, i), {}});
    } else if (has_output && commands.size() > begin) {
      commands.back().output.emplace_back(line);
    }
  }
}

}  // namespace

DocumentedCommands FindDocumentedCommands(const SourceFile& page) {
  DocumentedCommands found;
  const std::vector<absl::string_view> lines = absl::StrSplit(page.text, '\n');
  for (const Block& block : FindBlocks(lines)) {
    if (block.language == "sh" || block.language == "console") {
      if (block.is_run) TakeCommands(page, block, found.commands);
      continue;
    }
    if (!block.language.empty()) continue;
    for (const absl::string_view line : block.lines) {
      if (!LooksLikeACommand(line)) continue;
      found.problems.push_back(absl::StrCat(
          page.path, ":", block.first_line,
          ": a block of commands without a language; write ```sh or "
          "```console, so that they are run"));
      break;
    }
  }
  return found;
}

std::string MissingLine(const std::vector<std::string>& expected,
                        absl::string_view printed) {
  const std::vector<absl::string_view> lines = absl::StrSplit(printed, '\n');
  size_t next = 0;
  for (const std::string& line : expected) {
    const absl::string_view wanted = absl::StripAsciiWhitespace(line);
    if (wanted.empty() || wanted == "...") continue;
    while (next < lines.size() &&
           absl::StripAsciiWhitespace(lines[next]) != wanted) {
      ++next;
    }
    if (next++ == lines.size()) return line;
  }
  return "";
}

}  // namespace eplb
