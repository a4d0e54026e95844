// The bundle of GPU tests, unpacked and run as on a machine without a device.

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class GpuBundleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / "gpu_bundle_test";
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    ASSERT_EQ(
        Shell("tar -xzf testing/gpu_bundle.tar.gz -C " + folder_.string()), 0);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Runs `command` and returns its exit status.
  int Shell(const std::string& command) {
    return WEXITSTATUS(std::system(command.c_str()));
  }

  std::string Read(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(GpuBundleTest, SkipsEveryProgramWithItsReasonWhereNoDeviceIs) {
  const fs::path output = folder_ / "output";
  // CUDA_VISIBLE_DEVICES hides the devices of a machine that has some.
  EXPECT_EQ(Shell("cd / && env -i PATH=/usr/bin:/bin CUDA_VISIBLE_DEVICES= " +
                  (folder_ / "gpu_bundle/run.sh").string() + " >" +
                  output.string() + " 2>&1"),
            0);
  const std::string text = Read(output);
  for (const fs::directory_entry& program :
       fs::directory_iterator(folder_ / "gpu_bundle/bin")) {
    EXPECT_THAT(text,
                HasSubstr("skipped  " + program.path().filename().string() +
                          ": no CUDA device: cuda"));
  }
  EXPECT_THAT(text, ContainsRegex("\n0 passed, [1-9][0-9]* skipped, 0 failed"));
}

}  // namespace
}  // namespace eplb
