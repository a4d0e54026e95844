#include "tools/command/program.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "tools/command/command.h"
#include "tools/command/command_output.h"
#include "tools/command/flag.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

struct Greeting {
  std::string whom;
  int times = 1;
  std::string tone;
  bool loud = false;
};

// greet WHOM [--times=N] --tone=TONE [--loud]
Command GreetCommand() {
  auto greeting = std::make_shared<Greeting>();
  return {
      .name = "greet",
      .summary = "says hello",
      .description = "Says hello a number of times.",
      .examples = {"world --tone=warm"},
      .arguments = {{"WHOM", "whom to greet", &greeting->whom}},
      .flags = {IntegerFlag("times", "how often", 1, 9, greeting->times),
                Required(TextFlag("tone", "TONE", "how", greeting->tone)),
                BooleanFlag("loud", "in capitals", greeting->loud)},
      .run = [greeting](CommandOutput& output) {
        output.Print(absl::StrCat(greeting->whom, greeting->times,
                                  greeting->tone, greeting->loud ? "!" : ""));
        return absl::OkStatus();
      }};
}

// Runs the program of the one command.
absl::StatusOr<std::string> RunWords(const std::vector<std::string>& words) {
  std::ostringstream diagnostics;
  CommandOutput output(diagnostics, /*color=*/false);
  const absl::Status status = RunProgram({GreetCommand()}, words, output);
  if (!status.ok()) return status;
  return output.results();
}

TEST(ProgramTest, RunsACommandWithItsFlagsAndArguments) {
  EXPECT_THAT(RunWords({"greet", "you", "--times=3", "--tone=warm"}),
              IsOkAndHolds("you3warm"));
  EXPECT_THAT(RunWords({"greet", "--tone=a=b", "you"}),
              IsOkAndHolds("you1a=b"));
}

TEST(ProgramTest, ABooleanFlagNeedsNoValue) {
  EXPECT_THAT(RunWords({"greet", "you", "--loud", "--tone=a"}),
              IsOkAndHolds("you1a!"));
  EXPECT_THAT(RunWords({"greet", "you", "--loud=true", "--tone=a"}),
              IsOkAndHolds("you1a!"));
  EXPECT_THAT(RunWords({"greet", "you", "--loud=false", "--tone=a"}),
              IsOkAndHolds("you1a"));
  EXPECT_THAT(RunWords({"greet", "you", "--loud=", "--tone=a"}),
              StatusIs(kInvalid, "--loud=: must be true or false"));
}

TEST(ProgramTest, HelpListsCommandsAndFlags) {
  EXPECT_THAT(RunWords({"help"}),
              IsOkAndHolds(AllOf(HasSubstr("greet  says hello"),
                                 HasSubstr("eplb help COMMAND"))));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"help", "greet"},
        {"greet", "--help"},
        {"greet", "-h"}}) {
    EXPECT_THAT(RunWords(words),
                IsOkAndHolds(AllOf(
                    HasSubstr("usage: eplb greet WHOM [--times=N] --tone=TONE "
                              "[--loud]\n"),
                    HasSubstr("Says hello a number of times."),
                    HasSubstr("--times=N    how often (1)\n"),
                    HasSubstr("--tone=TONE  how (required)\n"),
                    HasSubstr("--loud       in capitals (false)\n"),
                    HasSubstr("  eplb greet world --tone=warm\n"))));
  }
}

TEST(ProgramTest, RefusesWhatItDoesNotKnow) {
  const struct {
    std::vector<std::string> words;
    const char* error;
  } cases[] = {
      {{}, "no command is given"},
      {{"gret"}, "unknown command 'gret'; did you mean greet?"},
      {{"hlep"}, "unknown command 'hlep'; did you mean help?"},
      {{"temperature"}, "unknown command 'temperature' ("},
      {{"help", "gret"}, "did you mean greet?"},
      {{"help", "greet", "x"}, "unexpected argument 'x'"},
      {{"greet", "you", "--tme=1"},
       "unknown flag --tme; did you mean --times?"},
      {{"greet", "you", "--"}, "unknown flag --"},
      {{"greet", "you", "-times=1"}, "flags are written --name=value"},
      {{"greet", "you", "--times", "3"},
       "--times has no value; write --times=N"},
      {{"greet", "you", "--times=1", "--times=1"}, "--times is given twice"},
      {{"greet", "you", "--times=x", "--tone=t"}, "--times=x: must be"},
      {{"greet", "you"}, "--tone=TONE is missing: how"},
      {{"greet", "--tone=t"}, "WHOM is missing: whom to greet"},
      {{"greet", "you", "them", "--tone=t"}, "unexpected argument 'them'"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(RunWords(c.words), StatusIs(kInvalid, HasSubstr(c.error)))
        << c.error;
  }
}

}  // namespace
}  // namespace eplb
