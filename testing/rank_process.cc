#include "testing/rank_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr unsigned kMaxLifeSeconds = 60;

}  // namespace

void ParentLink::Say(const std::string& text) {
  const std::string line = text + "\n";
  if (write(write_fd_, line.data(), line.size()) !=
      static_cast<ssize_t>(line.size())) {
    _exit(3);  // Nobody listens any more.
  }
}

void ParentLink::WaitForGo() {
  char byte;
  if (read(read_fd_, &byte, 1) != 1) _exit(3);
}

RankProcess::RankProcess(const std::function<void(ParentLink&)>& body) {
  int to_child[2];
  int to_parent[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(to_parent, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipe";
    return;
  }
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(kMaxLifeSeconds);
    signal(SIGPIPE, SIG_IGN);
    close(to_child[1]);
    close(to_parent[0]);
    ParentLink parent(to_child[0], to_parent[1]);
    body(parent);
    _exit(0);
  }
  close(to_child[0]);
  close(to_parent[1]);
  write_fd_ = to_child[1];
  read_fd_ = to_parent[0];
}

RankProcess::~RankProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(read_fd_);
  close(write_fd_);
}

void RankProcess::Go() {
  if (write(write_fd_, "g", 1) != 1) ADD_FAILURE() << "the process has ended";
}

std::string RankProcess::Hear() {
  std::string line;
  char byte;
  while (read(read_fd_, &byte, 1) == 1) {
    if (byte == '\n') return line;
    line.push_back(byte);
  }
  return "";
}

void RankProcess::Signal(int signal_number) { kill(pid_, signal_number); }

}  // namespace eplb
