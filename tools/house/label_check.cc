#include "tools/house/label_check.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tools/house/source_tree.h"
#include "tools/house/starlark_text.h"

namespace eplb {
namespace {

constexpr absl::string_view kStandIns = "third_party/system/modules/";
constexpr absl::string_view kWorkspaceDeps = "third_party/deps.bzl";
constexpr absl::string_view kOverrides = "third_party/system/offline.bazelrc";
// A workspace with declarations of its own.
constexpr absl::string_view kOtherWorkspace = "examples/downstream/";

struct ExternalLabel {
  std::string text;
  std::string repository;
  std::string package;
  std::string target;
};

// @repository//package:target and its short forms; nothing for other strings.
std::optional<ExternalLabel> ParseExternalLabel(absl::string_view text) {
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, "@") || absl::StartsWith(rest, "@") ||
      absl::StrContains(rest, " ")) {
    return std::nullopt;
  }
  const std::vector<std::string> parts =
      absl::StrSplit(rest, absl::MaxSplits("//", 1));
  ExternalLabel label{std::string(text), parts[0], "", parts[0]};
  if (parts.size() == 1) return label;
  const std::vector<std::string> path =
      absl::StrSplit(parts[1], absl::MaxSplits(':', 1));
  label.package = path[0];
  if (path.size() == 2) {
    label.target = path[1];
  } else if (!label.package.empty()) {
    label.target = label.package.substr(label.package.rfind('/') + 1);
  }
  return label;
}

// The name of the stand-in that `path` belongs to, or "".
std::string StandInOf(absl::string_view path) {
  if (!absl::ConsumePrefix(&path, kStandIns)) return "";
  return std::string(path.substr(0, path.find('/')));
}

class LabelCheck {
 public:
  explicit LabelCheck(const std::vector<SourceFile>& files) {
    for (const SourceFile& file : files) files_[file.path] = &file.text;
  }

  std::vector<std::string> Run() {
    for (const auto& [path, text] : files_) {
      if (absl::EndsWith(path, ".bazelrc") ||
          absl::EndsWith(path, "MODULE.bazel") ||
          absl::StartsWith(path, kOtherWorkspace)) {
        continue;
      }
      for (const QuotedString& string : QuotedStrings(*text)) {
        if (auto label = ParseExternalLabel(string.value)) {
          CheckLabel(absl::StrCat(path, ":", string.line, ": ", label->text),
                     path, *label);
        }
      }
    }
    CheckOverrides();
    return problems_;
  }

 private:
  void CheckLabel(const std::string& place, const std::string& path,
                  const ExternalLabel& label) {
    // Bazel's own, and this workspace under its own name.
    static const auto* const kAlwaysThere =
        new std::set<std::string>{"", "bazel_tools", "eplb"};
    if (kAlwaysThere->count(label.repository) != 0) return;
    if (NamesInWorkspaceMode().count(label.repository) == 0) {
      problems_.push_back(absl::StrCat(place, ": @", label.repository,
                                       " is not declared in ", kWorkspaceDeps));
    }
    const std::string stand_in = StandInOf(path);
    const std::string module_file =
        stand_in.empty() ? "MODULE.bazel"
                         : absl::StrCat(kStandIns, stand_in, "/MODULE.bazel");
    // A stand-in that is no module is read in WORKSPACE mode only.
    if ((stand_in.empty() || files_.count(module_file) != 0) &&
        NamesInModule(module_file).count(label.repository) == 0) {
      problems_.push_back(absl::StrCat(place, ": @", label.repository,
                                       " is in no bazel_dep or use_repo of ",
                                       module_file));
    }
    CheckStandInHas(place, label);
  }

  void CheckStandInHas(const std::string& place, const ExternalLabel& label) {
    const std::string folder =
        absl::StrCat(kStandIns, label.repository, "/", label.package,
                     label.package.empty() ? "" : "/");
    const auto first =
        files_.lower_bound(absl::StrCat(kStandIns, label.repository, "/"));
    if (first == files_.end() || StandInOf(first->first) != label.repository ||
        files_.count(absl::StrCat(folder, label.target)) != 0) {
      return;
    }
    const std::string build = absl::StrCat(folder, "BUILD.bazel");
    const auto found = files_.find(build);
    if (found == files_.end() ||
        !absl::StrContains(*found->second,
                           absl::StrCat("name = \"", label.target, "\","))) {
      problems_.push_back(absl::StrCat(place, ": ", build, " has no target \"",
                                       label.target, "\""));
    }
  }

  void CheckOverrides() {
    const std::string overrides = TextOf(kOverrides);
    for (const auto& [path, text] : files_) {
      const std::string name = StandInOf(path);
      if (path != absl::StrCat(kStandIns, name, "/MODULE.bazel")) continue;
      const std::string line = absl::StrCat(
          "--override_module=", name, "=%workspace%/", kStandIns, name, "\n");
      if (!absl::StrContains(overrides, line)) {
        problems_.push_back(absl::StrCat(path, ": ", kOverrides, " lacks ",
                                         absl::StripSuffix(line, "\n")));
      }
    }
  }

  // Every string in the file counts: a name in it is there to be declared.
  std::set<std::string> NamesInWorkspaceMode() const {
    std::set<std::string> names;
    for (const QuotedString& string : QuotedStrings(TextOf(kWorkspaceDeps))) {
      names.insert(string.value);
    }
    return names;
  }

  std::set<std::string> NamesInModule(const std::string& file) const {
    std::set<std::string> names;
    for (const QuotedString& string : QuotedStrings(TextOf(file))) {
      if (string.function == "bazel_dep" || string.function == "use_repo" ||
          string.function == "module") {
        names.insert(string.value);
      }
    }
    return names;
  }

  std::string TextOf(absl::string_view path) const {
    const auto found = files_.find(std::string(path));
    return found == files_.end() ? "" : *found->second;
  }

  std::map<std::string, const std::string*> files_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> CheckExternalLabels(
    const std::vector<SourceFile>& files) {
  return LabelCheck(files).Run();
}

}  // namespace eplb
