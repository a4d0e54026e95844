// Reads the files of the workspace for the checks that keep the house.
//
//   EPLB_ASSIGN_OR_RETURN(std::string root, WorkspaceRootOfTest());
//   for (const SourceFile& file : ReadSources(root, {".h", ".cc"})) ...

#ifndef EPLB_TOOLS_HOUSE_SOURCE_TREE_H_
#define EPLB_TOOLS_HOUSE_SOURCE_TREE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eplb {

struct SourceFile {
  std::string path;  // From the root of the workspace, with slashes.
  std::string text;
};

// The folder of the WORKSPACE file that the running test has as data. The test
// must run unsandboxed ("local"): the runfile is a link to the real file.
absl::StatusOr<std::string> WorkspaceRootOfTest();

// All files below `root` whose path ends in one of `suffixes`, by path. Hidden
// folders and Bazel's output links in the root are left out.
absl::StatusOr<std::vector<SourceFile>> ReadSources(
    const std::string& root, const std::vector<absl::string_view>& suffixes);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_SOURCE_TREE_H_
