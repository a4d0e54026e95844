#include "testing/redis_server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr char kProgram[] = "/usr/bin/redis-server";

int FreePort() {
  const absl::StatusOr<Socket> socket = ListenOn("127.0.0.1");
  return *LocalPort(*socket);
}

}  // namespace

bool RedisServer::IsInstalled() { return access(kProgram, X_OK) == 0; }

RedisServer::RedisServer() : port_(FreePort()) {
  const std::string port = absl::StrCat(port_);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(kProgram, "redis-server", "--port", port.c_str(), "--bind",
          "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
          folder_.path().c_str(), "--logfile", "log", nullptr);
    _exit(127);
  }
  SystemClock clock;
  const SteadyTime deadline = clock.Now() + std::chrono::seconds(20);
  while (!ConnectTo(address(), clock, deadline).ok()) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0 || clock.Now() >= deadline) {
      ADD_FAILURE() << "redis-server does not run at " << address();
      return;
    }
    std::this_thread::yield();
  }
}

RedisServer::~RedisServer() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string RedisServer::address() const {
  return absl::StrCat("127.0.0.1:", port_);
}

}  // namespace eplb
