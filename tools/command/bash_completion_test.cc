#include "tools/command/bash_completion.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/run_program.h"
#include "testing/temporary_folder.h"
#include "tools/command/command.h"
#include "tools/command/flag.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class BashCompletionTest : public ::testing::Test {
 protected:
  BashCompletionTest() {
    Flag policy = TextListFlag("policy", "NAME,NAME", "which", list_);
    policy.suggestions = {"greedy", "refined"};
    const std::string script = BashCompletion(
        {{.name = "place",
          .summary = "",
          .description = "",
          .flags = {ChoiceFlag("format", {"text", "json"}, "how", text_),
                    TextFlag("loads", "FILE", "what to read", text_),
                    TextFlag("folder", "DIR", "where", text_), policy,
                    BooleanFlag("async", "in the background", boolean_)},
          .run = nullptr},
         {.name = "play",
          .summary = "",
          .description = "",
          .arguments = {{"FILE", "what to play", &text_}},
          .run = nullptr}});
    folder_.Write("script", script);
    folder_.Write("loads.npy", "");
    folder_.Write("two words.npy", "");
    std::filesystem::create_directory(folder_.PathOf("long"));
  }

  // What is offered for the last of the words, as bash takes them apart.
  std::vector<std::string> Complete(const std::vector<std::string>& words) {
    std::string quoted;
    for (const std::string& word : words) {
      absl::StrAppend(&quoted, " '", word, "'");
    }
    const ProgramResult result = RunProcess(
        {"/bin/bash", "--norc", "-euc",
         absl::StrCat("cd ", folder_.path(), "; source ./script; COMP_WORDS=(",
                      quoted, "); COMP_CWORD=", words.size() - 1,
                      "; _eplb; for reply in \"${COMPREPLY[@]}\"; do echo "
                      "\"$reply\"; done")});
    EXPECT_EQ(result.exit_status, 0) << result.standard_error;
    EXPECT_THAT(result.standard_error, IsEmpty());
    return absl::StrSplit(result.standard_output, '\n', absl::SkipEmpty());
  }

  TemporaryFolder folder_;
  std::vector<std::string> list_;
  std::string text_;
  bool boolean_ = false;
};

TEST_F(BashCompletionTest, OffersCommands) {
  EXPECT_THAT(Complete({"eplb", ""}), ElementsAre("place", "play", "help"));
  EXPECT_THAT(Complete({"eplb", "pl"}), ElementsAre("place", "play"));
  EXPECT_THAT(Complete({"eplb", "x"}), IsEmpty());
  EXPECT_THAT(Complete({"eplb", "help", "pla"}), ElementsAre("place", "play"));
}

TEST_F(BashCompletionTest, OffersFlagsAndThatTheyNeedAValue) {
  EXPECT_THAT(Complete({"eplb", "place", "--"}),
              ElementsAre("--format=", "--loads=", "--folder=", "--policy=",
                          "--async"));
  EXPECT_THAT(Complete({"eplb", "place", "--fo"}),
              ElementsAre("--format=", "--folder="));
  EXPECT_THAT(Complete({"eplb", "play", "--"}), IsEmpty());
  EXPECT_THAT(Complete({"eplb", "unknown", "--"}), IsEmpty());
}

TEST_F(BashCompletionTest, OffersValuesWhereEqualsBreaksWords) {
  EXPECT_THAT(Complete({"eplb", "place", "--format", "="}),
              ElementsAre("text", "json"));
  EXPECT_THAT(Complete({"eplb", "place", "--format", "=", "j"}),
              ElementsAre("json"));
  EXPECT_THAT(Complete({"eplb", "place", "--async", "=", ""}),
              ElementsAre("true", "false"));
  EXPECT_THAT(Complete({"eplb", "play", "--format", "=", ""}), IsEmpty());
}

TEST_F(BashCompletionTest, OffersValuesWhereItDoesNot) {
  EXPECT_THAT(Complete({"eplb", "place", "--format=j"}),
              ElementsAre("--format=json"));
  EXPECT_THAT(Complete({"eplb", "place", "--loads=lo"}),
              UnorderedElementsAre("--loads=loads.npy", "--loads=long"));
}

TEST_F(BashCompletionTest, GoesOnAfterACommaInAList) {
  EXPECT_THAT(Complete({"eplb", "place", "--policy", "=", "greedy,r"}),
              ElementsAre("greedy,refined"));
  EXPECT_THAT(Complete({"eplb", "place", "--policy=greedy,"}),
              ElementsAre("--policy=greedy,greedy", "--policy=greedy,refined"));
  EXPECT_THAT(Complete({"eplb", "place", "--format", "=", "text,j"}),
              IsEmpty());
}

TEST_F(BashCompletionTest, OffersFilesAndFolders) {
  EXPECT_THAT(Complete({"eplb", "place", "--loads", "=", "two"}),
              ElementsAre("two words.npy"));
  EXPECT_THAT(Complete({"eplb", "place", "--folder", "=", ""}),
              ElementsAre("long"));
  EXPECT_THAT(Complete({"eplb", "play", "loa"}), ElementsAre("loads.npy"));
}

TEST_F(BashCompletionTest, CompletesTheCommandOfThatName) {
  const ProgramResult result =
      RunProcess({"/bin/bash", "--norc", "-c",
                  absl::StrCat("source ", folder_.PathOf("script"),
                               "; complete -p eplb")});
  EXPECT_THAT(result.standard_output, HasSubstr("-F _eplb eplb"));
}

}  // namespace
}  // namespace eplb
