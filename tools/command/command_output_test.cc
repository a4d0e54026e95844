#include "tools/command/command_output.h"

#include <sstream>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(CommandOutputTest, KeepsResultsAndSaysWarningsAtOnce) {
  std::ostringstream diagnostics;
  CommandOutput output(diagnostics, /*color=*/false);
  output.Print("one\n");
  output.Warn("odd\nline");
  output.Print("two\n");
  EXPECT_EQ(output.results(), "one\ntwo\n");
  EXPECT_EQ(diagnostics.str(), "eplb: warning: odd\\nline\n");
}

TEST(CommandOutputTest, ShowsNoProgressWhereThereIsNoTerminal) {
  std::ostringstream diagnostics;
  CommandOutput output(diagnostics, /*color=*/true);
  output.ShowProgress("10 %");
  output.ClearProgress();
  EXPECT_EQ(diagnostics.str(), "");
}

TEST(CommandOutputTest, ReplacesTheProgressLineAndLeavesNoneBehind) {
  std::ostringstream diagnostics;
  {
    CommandOutput output(diagnostics, /*color=*/false, /*progress=*/true);
    output.ShowProgress("10 %");
    output.ShowProgress("10 %");
    output.ShowProgress("20 %");
    output.Warn("odd");
    output.ShowProgress("30 %");
  }
  EXPECT_EQ(diagnostics.str(),
            "10 %\r\x1b[K20 %\r\x1b[Keplb: warning: odd\n30 %\r\x1b[K");
}

}  // namespace
}  // namespace eplb
