// Holds the labels of external repositories to the places that declare them.
//
// A repository that a BUILD or .bzl file names must be known in both modes of
// Bazel: declared in third_party/deps.bzl (WORKSPACE mode) and named by
// bazel_dep or use_repo in MODULE.bazel. Where third_party/system/modules has
// a stand-in for it, the stand-in must have the target; and a stand-in that is
// a module must be in third_party/system/offline.bazelrc.

#ifndef EPLB_TOOLS_HOUSE_LABEL_CHECK_H_
#define EPLB_TOOLS_HOUSE_LABEL_CHECK_H_

#include <string>
#include <vector>

#include "tools/house/source_tree.h"

namespace eplb {

// `files`: all BUILD.bazel, .bzl, MODULE.bazel, WORKSPACE and .bazelrc files of
// the workspace. One sentence per label or stand-in that is not in its place.
std::vector<std::string> CheckExternalLabels(
    const std::vector<SourceFile>& files);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_LABEL_CHECK_H_
