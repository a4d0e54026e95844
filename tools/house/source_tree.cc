#include "tools/house/source_tree.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eplb {
namespace {

namespace fs = std::filesystem;

bool IsLeftOut(const fs::path& root, const fs::directory_entry& entry) {
  if (!entry.is_directory()) return false;
  const std::string name = entry.path().filename().string();
  if (absl::StartsWith(name, ".")) return true;
  return entry.path().parent_path() == root && absl::StartsWith(name, "bazel-");
}

bool HasSuffix(absl::string_view path,
               const std::vector<absl::string_view>& suffixes) {
  return std::any_of(
      suffixes.begin(), suffixes.end(),
      [&](absl::string_view suffix) { return absl::EndsWith(path, suffix); });
}

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)),
                   std::istreambuf_iterator<char>());
  if (!file) {
    return absl::NotFoundError(absl::StrCat("cannot read ", path.string()));
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> WorkspaceRootOfTest() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) {
    return absl::FailedPreconditionError(
        "TEST_SRCDIR and TEST_WORKSPACE are not set: not run by bazel test");
  }
  std::error_code error;
  const fs::path file =
      fs::canonical(fs::path(runfiles) / workspace / "WORKSPACE", error);
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("no WORKSPACE in the runfiles: ", error.message(),
                     "; the test needs data = [\"//:WORKSPACE\"]"));
  }
  return file.parent_path().string();
}

absl::StatusOr<std::vector<SourceFile>> ReadSources(
    const std::string& root, const std::vector<absl::string_view>& suffixes) {
  std::vector<SourceFile> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(root, error);
  for (; !error && entry != fs::end(entry); entry.increment(error)) {
    if (IsLeftOut(root, *entry)) {
      entry.disable_recursion_pending();
      continue;
    }
    std::string path = entry->path().lexically_relative(root).generic_string();
    if (!entry->is_regular_file() || !HasSuffix(path, suffixes)) continue;
    absl::StatusOr<std::string> text = ReadFile(entry->path());
    if (!text.ok()) return text.status();
    files.push_back({std::move(path), *std::move(text)});
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("cannot list ", root, ": ", error.message()));
  }
  std::sort(
      files.begin(), files.end(),
      [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

}  // namespace eplb
