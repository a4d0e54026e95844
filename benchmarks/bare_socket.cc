#include "benchmarks/bare_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {
namespace {

// `result` of a system call that must succeed.
int OrDie(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

}  // namespace

BareSocket::BareSocket() {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof(address);
  const int listener = OrDie(socket(AF_INET, SOCK_STREAM, 0), "socket");
  OrDie(bind(listener, generic, length), "bind");
  OrDie(listen(listener, 1), "listen");
  OrDie(getsockname(listener, generic, &length), "getsockname");
  fd_of_rank_[1] = OrDie(socket(AF_INET, SOCK_STREAM, 0), "socket");
  OrDie(connect(fd_of_rank_[1], generic, length), "connect");
  fd_of_rank_[0] = OrDie(accept(listener, nullptr, nullptr), "accept");
  close(listener);
  for (const int fd : fd_of_rank_) {
    const int on = 1;
    OrDie(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)),
          "setsockopt");
  }
}

BareSocket::~BareSocket() {
  for (const int fd : fd_of_rank_) close(fd);
}

bool BareSocket::Send(int rank, absl::Span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        send(fd_of_rank_[rank], bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(count);
  }
  return true;
}

bool BareSocket::Receive(int rank, absl::Span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        recv(fd_of_rank_[rank], bytes.data(), bytes.size(), 0);
    if (count <= 0) return false;
    bytes.remove_prefix(count);
  }
  return true;
}

}  // namespace eplb
