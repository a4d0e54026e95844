// ScopedNoMoreFiles: as long as it lives, the process gets no file descriptor
// beyond those that it has.
//
//   absl::Status refused;
//   {
//     const ScopedNoMoreFiles no_more_files;
//     refused = ListenOn("127.0.0.1").status();
//   }
//   EXPECT_THAT(refused, StatusIs(kResourceExhausted));
//
// Sanitizers need descriptors as well, to look at objects of gMock: that is for
// afterwards.

#ifndef EPLB_TESTING_SCOPED_NO_MORE_FILES_H_
#define EPLB_TESTING_SCOPED_NO_MORE_FILES_H_

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace eplb {

// For one thread at a time of a process whose other threads open nothing.
class ScopedNoMoreFiles {
 public:
  ScopedNoMoreFiles() {
    getrlimit(RLIMIT_NOFILE, &before_);
    // The next one that the system would give away.
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(next);
    rlimit limit = before_;
    limit.rlim_cur = next;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~ScopedNoMoreFiles() { setrlimit(RLIMIT_NOFILE, &before_); }
  ScopedNoMoreFiles(const ScopedNoMoreFiles&) = delete;
  ScopedNoMoreFiles& operator=(const ScopedNoMoreFiles&) = delete;

 private:
  rlimit before_ = {};
};

}  // namespace eplb

#endif  // EPLB_TESTING_SCOPED_NO_MORE_FILES_H_
