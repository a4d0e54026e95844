// RankProcess: a rank as a process of its own, for tests that kill and stop
// ranks. The body runs in a fork of the test, which must not have started
// threads before.
//
//   RankProcess rank([](ParentLink& parent) {
//     parent.Say("ready");
//     parent.WaitForGo();
//     parent.Say(DoSomething().ToString());
//   });
//   EXPECT_EQ(rank.Hear(), "ready");
//   rank.Signal(SIGSTOP);
//
// Nothing hangs: a process that lives for more than a minute is killed.

#ifndef EPLB_TESTING_RANK_PROCESS_H_
#define EPLB_TESTING_RANK_PROCESS_H_

#include <sys/types.h>

#include <functional>
#include <string>

namespace eplb {

// The child's end.
class ParentLink {
 public:
  ParentLink(int read_fd, int write_fd)
      : read_fd_(read_fd), write_fd_(write_fd) {}

  // `text` without line breaks.
  void Say(const std::string& text);
  void WaitForGo();

 private:
  const int read_fd_;
  const int write_fd_;
};

// The parent's end. Kills the process when destroyed. Thread-compatible.
class RankProcess {
 public:
  explicit RankProcess(const std::function<void(ParentLink&)>& body);
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;
  ~RankProcess();

  void Go();

  // What the child says next; empty when it has ended instead.
  std::string Hear();

  void Signal(int signal_number);

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int read_fd_ = -1;
  int write_fd_ = -1;
};

}  // namespace eplb

#endif  // EPLB_TESTING_RANK_PROCESS_H_
