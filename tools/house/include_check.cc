#include "tools/house/include_check.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace eplb {
namespace {

constexpr absl::string_view kPlanFile = "tools/house/plan.h";

bool HasSuffixOfTheHouse(absl::string_view path) {
  for (const absl::string_view suffix : {".h", ".cc", ".cu", ".cuh"}) {
    if (absl::EndsWith(path, suffix)) return true;
  }
  return false;
}

struct Include {
  int line = 0;
  absl::string_view header;
  bool quoted = false;
};

bool MatchesAny(absl::string_view path,
                const std::vector<absl::string_view>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](absl::string_view pattern) {
                       return fnmatch(std::string(pattern).c_str(),
                                      std::string(path).c_str(), 0) == 0;
                     });
}

std::vector<Include> IncludesOf(absl::string_view text) {
  std::vector<Include> includes;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "#")) continue;
    line = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, "include")) continue;
    line = absl::StripLeadingAsciiWhitespace(line);
    const bool quoted = absl::ConsumePrefix(&line, "\"");
    if (!quoted && !absl::ConsumePrefix(&line, "<")) continue;
    includes.push_back(
        {line_number, line.substr(0, line.find(quoted ? '"' : '>')), quoted});
  }
  return includes;
}

const Room* RoomOf(const Plan& plan, absl::string_view path) {
  for (const Room& room : plan.rooms) {
    if (absl::StartsWith(path, absl::StrCat(room.folder, "/"))) return &room;
  }
  return nullptr;
}

const Library* LibraryOf(const Plan& plan, absl::string_view header) {
  for (const Library& library : plan.libraries) {
    for (absl::string_view prefix : library.header_prefixes) {
      if (absl::StartsWith(header, prefix)) return &library;
    }
  }
  return nullptr;
}

// EPLB_CORE_CLOCK_H_ for eplb/core/clock.h, EPLB_POLICIES_GREEDY_H_ for
// policies/greedy.h.
std::string GuardOf(absl::string_view path) {
  std::string guard =
      absl::StrCat("EPLB_", absl::StripPrefix(path, "eplb/"), "_");
  for (char& c : guard)
    c = absl::ascii_isalnum(c) ? absl::ascii_toupper(c) : '_';
  return guard;
}

bool IsOutside(const Plan& plan, absl::string_view path) {
  return std::any_of(plan.outside.begin(), plan.outside.end(),
                     [path](absl::string_view folder) {
                       return absl::StartsWith(path, absl::StrCat(folder, "/"));
                     });
}

// Checks one source and collects what is wrong with it.
class SourceCheck {
 public:
  SourceCheck(const Plan& plan, const SourceFile& source,
              std::vector<std::string>& problems)
      : plan_(plan), source_(source), problems_(problems) {}

  void Run() {
    room_ = RoomOf(plan_, source_.path);
    if (room_ == nullptr) {
      problems_.push_back(
          absl::StrCat(source_.path,
                       ": in no room of the house; if its folder is to be "
                       "one, say in ",
                       kPlanFile, " what it may include"));
      return;
    }
    // So that it cannot escape what goes by suffix: formatter and warnings.
    if (!HasSuffixOfTheHouse(source_.path)) {
      problems_.push_back(
          absl::StrCat(source_.path, ": sources end in .h, .cc, .cu or .cuh"));
    }
    is_test_ = MatchesAny(source_.path, plan_.tests);
    for (const Include& include : IncludesOf(source_.text)) Check(include);
    CheckGuard();
  }

 private:
  void Check(const Include& include) {
    if (const Room* target = RoomOf(plan_, include.header)) {
      CheckRoom(include, *target);
    } else if (const Library* library = LibraryOf(plan_, include.header)) {
      CheckLibrary(include, *library);
    } else if (include.quoted) {
      Report(include, "a header in no room and of no known library",
             absl::StrCat("own headers are included by their path from the "
                          "root; a new library has its place in ",
                          kPlanFile));
    } else if (room_->only_abseil && !is_test_ &&
               include.header.find_first_of("./") != absl::string_view::npos) {
      Report(include, "a header of the system", OnlyAbseil());
    }
  }

  void CheckRoom(const Include& include, const Room& target) {
    if (target.folder == room_->folder) return;
    std::vector<absl::string_view> allowed = room_->may_include;
    if (is_test_) {
      allowed.insert(allowed.end(), plan_.tests_may_include.begin(),
                     plan_.tests_may_include.end());
    }
    for (absl::string_view name : allowed) {
      if (name == target.folder || name == include.header) return;
    }
    Report(include, target.folder,
           absl::StrCat(room_->folder, is_test_ ? " (a test)" : "",
                        " may include: ",
                        allowed.empty() ? "nothing but itself"
                                        : absl::StrJoin(allowed, ", ")));
  }

  void CheckLibrary(const Include& include, const Library& library) {
    if (room_->only_abseil && !is_test_) {
      if (library.name != "Abseil") Report(include, library.name, OnlyAbseil());
      return;
    }
    if (library.in_all_tests && is_test_) return;
    if (MatchesAny(source_.path, library.where)) return;
    Report(include, library.name,
           absl::StrCat(library.name, " may be included by: ",
                        absl::StrJoin(library.where, ", "),
                        library.in_all_tests ? ", tests" : ""));
  }

  void CheckGuard() {
    if (!absl::EndsWith(source_.path, ".h") &&
        !absl::EndsWith(source_.path, ".cuh")) {
      return;
    }
    const std::string guard = GuardOf(source_.path);
    if (absl::StrContains(
            source_.text,
            absl::StrCat("#ifndef ", guard, "\n#define ", guard, "\n"))) {
      return;
    }
    problems_.push_back(
        absl::StrCat(source_.path, ": the include guard must be ", guard));
  }

  std::string OnlyAbseil() const {
    return absl::StrCat(room_->folder,
                        " may include: itself, Abseil and the headers of the "
                        "C++ standard library");
  }

  void Report(const Include& include, absl::string_view target,
              absl::string_view rule) {
    problems_.push_back(absl::StrCat(
        source_.path, ":", include.line, ": ", room_->folder, " -> ", target,
        " (", source_.path, " includes \"", include.header, "\"); ", rule));
  }

  const Plan& plan_;
  const SourceFile& source_;
  std::vector<std::string>& problems_;
  const Room* room_ = nullptr;
  bool is_test_ = false;
};

}  // namespace

std::vector<std::string> CheckIncludes(const Plan& plan,
                                       const std::vector<SourceFile>& sources) {
  std::vector<std::string> problems;
  for (const SourceFile& source : sources) {
    if (!IsOutside(plan, source.path)) {
      SourceCheck(plan, source, problems).Run();
    }
  }
  return problems;
}

}  // namespace eplb
