#include "testing/redis_server.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr char kProgram[] = "/usr/bin/redis-server";

// Bound to a free port of this machine, but not listening: the system gives the
// port to nobody else, and lets a server that asks for it by number, with
// SO_REUSEADDR as redis-server does, have it. So none can come in between, and
// whoever answers at the port is that server.
Socket ReservePort() {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0) {
    ADD_FAILURE() << "no free port";
  }
  return socket;
}

}  // namespace

bool RedisServer::IsInstalled() { return access(kProgram, X_OK) == 0; }

RedisServer::RedisServer() : reservation_(ReservePort()) {
  const std::string port = absl::StrCat(*LocalPort(reservation_));
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
  return absl::StrCat("127.0.0.1:", *LocalPort(reservation_));
}

}  // namespace eplb
