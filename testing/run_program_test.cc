#include "testing/run_program.h"

#include <string>

#include "gtest/gtest.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

TEST(RunProcessTest, TellsStatusAndOutput) {
  const ProgramResult result =
      RunProcess({"/bin/sh", "-c", "echo $0 $WORD; echo no >&2; exit 3", "yes"},
                 {.environment = {"WORD=word"}});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_EQ(result.standard_output, "yes word\n");
  EXPECT_EQ(result.standard_error, "no\n");
}

TEST(RunProcessTest, TellsASignalFromAStatus) {
  EXPECT_EQ(RunProcess({"/bin/sh", "-c", "kill -9 $$"}).exit_status, -1);
}

TEST(RunProcessTest, SendsOutputToAFile) {
  TemporaryFolder folder;
  const std::string file = folder.Write("out", "");
  RunProcess({"/bin/sh", "-c", "echo yes"}, {.output_file = file});
  EXPECT_EQ(folder.Read("out"), "yes\n");
}

}  // namespace
}  // namespace eplb
