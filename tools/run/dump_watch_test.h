// WaitForDump: for tests that do something in the middle of a run.

#ifndef EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_
#define EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace eplb {

// The dump of a run with --dump_dir=`folder`, as far as it is written.
inline std::string ReadDump(const std::string& folder) {
  std::ostringstream text;
  text << std::ifstream(folder + "/run_expert_load.jsonl").rdbuf();
  return text.str();
}

// Returns when the dump of a run with --dump_dir=`folder` has grown by a line
// that holds `text` and `more_lines` after it, which it does while its ranks
// serve. Fails the test after a minute in which the dump does not grow.
inline void WaitForDump(const std::string& folder, const std::string& text = "",
                        int more_lines = 0) {
  const int watch = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(watch, 0);
  EXPECT_GE(inotify_add_watch(watch, folder.c_str(), IN_CREATE | IN_MODIFY), 0);
  const auto is_there = [&] {
    const std::string dump = ReadDump(folder);
    const size_t found = dump.find(text);
    return found != std::string::npos &&
           std::count(dump.begin() + found, dump.end(), '\n') > more_lines;
  };
  while (!is_there()) {
    pollfd change = {watch, POLLIN, 0};
    if (poll(&change, 1, /*timeout=*/60000) != 1) {
      ADD_FAILURE() << "no such dump in " << folder;
      break;
    }
    char events[4096];
    if (read(watch, events, sizeof(events)) <= 0) break;
  }
  close(watch);
}

// In the line after the first rearrangement has ended.
inline constexpr char kRearranged[] = "\"rearrangements\":";

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_
