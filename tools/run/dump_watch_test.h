// WaitForDump: for tests that do something in the middle of a run.

#ifndef EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_
#define EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"

namespace eplb {

inline bool HasDump(const std::string& folder) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() == ".jsonl" && file.file_size() > 0) {
      return true;
    }
  }
  return false;
}

// Returns when a run with --dump_dir=`folder` has written its dump, which it
// does while its ranks serve. Fails the test after a minute.
inline void WaitForDump(const std::string& folder) {
  const int watch = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(watch, 0);
  EXPECT_GE(inotify_add_watch(watch, folder.c_str(), IN_CREATE | IN_MODIFY), 0);
  while (!HasDump(folder)) {
    pollfd change = {watch, POLLIN, 0};
    if (poll(&change, 1, /*timeout=*/60000) != 1) {
      ADD_FAILURE() << "no dump in " << folder;
      break;
    }
    char events[4096];
    if (read(watch, events, sizeof(events)) <= 0) break;
  }
  close(watch);
}

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_DUMP_WATCH_TEST_H_
