// TemporaryFolder: a folder for the files of one test.
//
//   TemporaryFolder folder;
//   std::string path = folder.Write("loads.csv", "layer_id,expert_id,count\n");

#ifndef EPLB_TESTING_TEMPORARY_FOLDER_H_
#define EPLB_TESTING_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace eplb {

// Gone, with all that is in it, when the object is. Thread-compatible.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(::testing::TempDir() + "/eplb_XXXXXX") {
    if (mkdtemp(&path_[0]) == nullptr) ADD_FAILURE() << "no folder " << path_;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

  // The path of `name` in the folder, whether it exists or not.
  std::string PathOf(const std::string& name) const {
    return path_ + "/" + name;
  }

  // Makes or replaces the file; returns its path.
  std::string Write(const std::string& name, absl::string_view content) const {
    std::ofstream file(PathOf(name), std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    EXPECT_TRUE(file.flush()) << PathOf(name);
    return PathOf(name);
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(PathOf(name), std::ios::binary);
    EXPECT_TRUE(file) << PathOf(name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

}  // namespace eplb

#endif  // EPLB_TESTING_TEMPORARY_FOLDER_H_
