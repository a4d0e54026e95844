#include "testing/run_program.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

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

TEST(RunProgramTest, AStartedProgramRunsBesideTheTest) {
  StartedProcess process({"/bin/sh", "-c", "echo out; kill -STOP $$; exit 5"});
  int status = 0;
  ASSERT_EQ(waitpid(process.pid(), &status, WUNTRACED), process.pid());
  ASSERT_TRUE(WIFSTOPPED(status));
  process.Signal(SIGCONT);
  const ProgramResult result = process.Wait();
  EXPECT_EQ(result.exit_status, 5);
  EXPECT_EQ(result.standard_output, "out\n");
}

TEST(RunProgramTest, AStartedProgramEndsWithItsObject) {
  pid_t pid = -1;
  {
    const StartedProcess process({"/bin/sleep", "1000"});
    pid = process.pid();
    ASSERT_EQ(kill(pid, 0), 0);
  }
  EXPECT_NE(kill(pid, 0), 0);
}

}  // namespace
}  // namespace eplb
