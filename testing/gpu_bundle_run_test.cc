// The script of the bundle, on programs that only print what real ones print.

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class GpuBundleRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "gpu_bundle_run_test";
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "bin");
    fs::copy_file("testing/gpu_bundle_run.sh", folder_ / "run.sh");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void AddProgram(const std::string& name, const std::string& commands) {
    const fs::path file = folder_ / "bin" / name;
    std::ofstream(file) << "#!/bin/bash\n" << commands << "\n";
    fs::permissions(file, fs::perms::owner_all);
  }

  // Runs the script and returns its exit status; output_ is what it printed.
  int Run(const std::string& arguments = "") {
    FILE* pipe = popen(
        ("bash " + (folder_ / "run.sh").string() + " " + arguments + " 2>&1")
            .c_str(),
        "r");
    output_.clear();
    std::array<char, 4096> buffer;
    while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
      output_ += buffer.data();
    }
    return WEXITSTATUS(pclose(pipe));
  }

  fs::path folder_;
  std::string output_;
};

TEST_F(GpuBundleRunTest, PrintsALinePerProgramAndTheSum) {
  AddProgram("a_test", "echo '[  PASSED  ] 3 tests.'");
  AddProgram("b_test", "echo 'no CUDA device: no driver'");
  EXPECT_EQ(Run(), 0);
  EXPECT_EQ(output_,
            "passed   a_test\n"
            "skipped  b_test: no CUDA device: no driver\n"
            "1 passed, 1 skipped, 0 failed\n");
}

TEST_F(GpuBundleRunTest, FailsAndShowsTheOutputOfAProgramThatFailed) {
  AddProgram("a_test", "echo 'fill.cc:3: Failure'; exit 1");
  AddProgram("b_test", "echo 'no CUDA device: no driver'; kill -9 $$");
  AddProgram("c_test", "echo not shown");
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(output_, AllOf(HasSubstr("FAILED   a_test: exit status 1\n"),
                             HasSubstr("fill.cc:3: Failure"),
                             HasSubstr("FAILED   b_test: exit status 137\n"),
                             HasSubstr("1 passed, 0 skipped, 2 failed\n"),
                             Not(HasSubstr("not shown"))));
}

TEST_F(GpuBundleRunTest, FindsTheErrorOfABenchmarkThatExitsWithZero) {
  AddProgram("a_benchmark", "echo \"BM_A ERROR OCCURRED: 'out of memory'\"");
  AddProgram("b_benchmark",
             "echo \"BM_B ERROR OCCURRED: 'no CUDA device: no driver'\"");
  EXPECT_EQ(Run(), 1);
  EXPECT_THAT(output_,
              AllOf(HasSubstr("FAILED   a_benchmark: exit status 0\n"),
                    HasSubstr("skipped  b_benchmark: no CUDA device: no "
                              "driver\n")));
}

TEST_F(GpuBundleRunTest, CountsASkippedProgramAsFailedWhereAGpuIsRequired) {
  AddProgram("a_test", "echo 'no CUDA device: no driver'");
  EXPECT_EQ(Run("--require_gpu"), 1);
  EXPECT_THAT(output_, HasSubstr("0 passed, 1 skipped, 0 failed\n"));
}

TEST_F(GpuBundleRunTest, SaysHowManyTestsOfAPassedProgramWereSkipped) {
  AddProgram("a_test", "echo '[  SKIPPED ] 2 tests, listed below:'");
  EXPECT_EQ(Run(), 0);
  EXPECT_THAT(output_, HasSubstr("passed   a_test, 2 tests skipped\n"));
}

TEST_F(GpuBundleRunTest, RunsOnlyTheNamedProgramsAndShowsThemWhenVerbose) {
  AddProgram("a_test", "echo output of a");
  AddProgram("b_test", "exit 1");
  EXPECT_EQ(Run("--verbose a_test"), 0);
  EXPECT_THAT(output_, AllOf(HasSubstr("output of a\n"),
                             HasSubstr("1 passed, 0 skipped, 0 failed\n")));
  EXPECT_EQ(Run("--verbos"), 2);
  EXPECT_THAT(output_, HasSubstr("unknown option --verbos"));
}

TEST_F(GpuBundleRunTest, FindsTheLibrariesThatItCarries) {
  AddProgram("a_test", "echo path $LD_LIBRARY_PATH");
  EXPECT_EQ(Run("--verbose"), 0);
  EXPECT_THAT(output_, HasSubstr("path " + (folder_ / "lib").string()));
}

}  // namespace
}  // namespace eplb
