#include "collectives/rendezvous/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(absl::string_view host, int port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(std::string(host).c_str(),
                                absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the address \"", host, "\": ", gai_strerror(error)));
  }
  return AddressList(found, &freeaddrinfo);
}

bool IsAny(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return v4.sin_addr.s_addr == htonl(INADDR_ANY);
  }
  if (address.sa_family != AF_INET6) return false;
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_UNSPECIFIED(&v6)) return true;
  return IN6_IS_ADDR_V4MAPPED(&v6) &&
         std::all_of(v6.s6_addr + 12, v6.s6_addr + 16,
                     [](uint8_t byte) { return byte == 0; });
}

// Every socket that is read and written: small frames must not wait for more.
void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

absl::Status ParseHostPort(absl::string_view text, std::string& host,
                           int& port) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no address of the form host:port"));
  }
  absl::string_view name = text.substr(0, colon);
  if (name.size() > 1 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);
  }
  host = std::string(name);
  return absl::OkStatus();
}

absl::StatusOr<Socket> ConnectToAddress(const addrinfo& address,
                                        absl::string_view name, Clock& clock,
                                        SteadyTime deadline) {
  Socket socket(::socket(address.ai_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError("socket");
  if (connect(socket.fd(), address.ai_addr, address.ai_addrlen) != 0 &&
      errno != EINPROGRESS) {
    return SystemError(absl::StrCat("connecting to ", name));
  }
  if (!WaitForSocket(socket, POLLOUT, clock, deadline)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline passed while connecting to ", name));
  }
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    errno = error;
    return SystemError(absl::StrCat("connecting to ", name));
  }
  SendAtOnce(socket.fd());
  return socket;
}

}  // namespace

absl::Status SystemError(absl::string_view what) {
  const int error = errno;
  const std::string text = absl::StrCat(what, ": ", strerror(error));
  if (error == EMFILE) {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    return absl::ResourceExhaustedError(
        absl::StrCat(text, ": the process may have ", limit.rlim_cur,
                     " file descriptors (ulimit -n)"));
  }
  if (error == ENFILE) {
    return absl::ResourceExhaustedError(
        absl::StrCat(text, ": the machine has no more file descriptors"));
  }
  return absl::UnavailableError(text);
}

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<bool> IsAnyAddress(absl::string_view host) {
  EPLB_ASSIGN_OR_RETURN(const AddressList found, Resolve(host, 0));
  for (const addrinfo* entry = found.get(); entry != nullptr;
       entry = entry->ai_next) {
    if (IsAny(*entry->ai_addr)) return true;
  }
  return false;
}

absl::StatusOr<Socket> ListenOn(absl::string_view host) {
  EPLB_ASSIGN_OR_RETURN(const AddressList found, Resolve(host, 0));
  Socket socket(::socket(found->ai_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return SystemError("socket");
  if (bind(socket.fd(), found->ai_addr, found->ai_addrlen) != 0 ||
      listen(socket.fd(), /*backlog=*/512) != 0) {
    return SystemError(absl::StrCat("listening on ", host));
  }
  return socket;
}

absl::StatusOr<int> LocalPort(const Socket& socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) !=
      0) {
    return SystemError("getsockname");
  }
  return ntohs(address.ss_family == AF_INET
                   ? reinterpret_cast<sockaddr_in&>(address).sin_port
                   : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

std::string JoinHostPort(absl::string_view host, int port) {
  return host.find(':') == absl::string_view::npos
             ? absl::StrCat(host, ":", port)
             : absl::StrCat("[", host, "]:", port);
}

absl::StatusOr<Socket> ConnectTo(absl::string_view host_and_port, Clock& clock,
                                 SteadyTime deadline) {
  std::string host;
  int port = 0;
  EPLB_RETURN_IF_ERROR(ParseHostPort(host_and_port, host, port));
  EPLB_ASSIGN_OR_RETURN(const AddressList found, Resolve(host, port));
  return ConnectToOneOf(found.get(), host_and_port, clock, deadline);
}

absl::StatusOr<Socket> ConnectToOneOf(const addrinfo* addresses,
                                      absl::string_view name, Clock& clock,
                                      SteadyTime deadline) {
  int num_left = 0;
  for (const addrinfo* entry = addresses; entry != nullptr;
       entry = entry->ai_next) {
    ++num_left;
  }
  absl::Status last_error;
  for (const addrinfo* entry = addresses; entry != nullptr;
       entry = entry->ai_next, --num_left) {
    const SteadyTime now = clock.Now();
    const SteadyTime limit =
        deadline <= now ? deadline : now + (deadline - now) / num_left;
    absl::StatusOr<Socket> socket =
        ConnectToAddress(*entry, name, clock, limit);
    if (socket.ok()) return socket;
    last_error = socket.status();
  }
  return last_error;
}

absl::StatusOr<Socket> AcceptFrom(const Socket& listener) {
  Socket socket(
      accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.is_open()) {
    const absl::Status error = SystemError("accept");
    // The rest is about the connection: it has broken, or was never there.
    return absl::IsResourceExhausted(error)
               ? error
               : absl::NotFoundError("no connection");
  }
  SendAtOnce(socket.fd());
  return socket;
}

bool WaitForSocket(const Socket& socket, short events, Clock& clock,
                   SteadyTime deadline) {
  while (true) {
    pollfd entry = {.fd = socket.fd(), .events = events, .revents = 0};
    if (poll(&entry, 1, MillisecondsUntil(clock, deadline)) > 0) return true;
    if (clock.Now() >= deadline) return false;
  }
}

absl::Status WriteAll(const Socket& socket, absl::string_view bytes,
                      Clock& clock, SteadyTime deadline) {
  while (true) {
    EPLB_ASSIGN_OR_RETURN(const size_t count, WriteSome(socket, bytes));
    bytes.remove_prefix(count);
    if (bytes.empty()) return absl::OkStatus();
    if (!WaitForSocket(socket, POLLOUT, clock, deadline)) {
      return absl::DeadlineExceededError("the deadline passed while sending");
    }
  }
}

absl::Status ReadAll(const Socket& socket, absl::Span<char> bytes, Clock& clock,
                     SteadyTime deadline) {
  while (true) {
    EPLB_ASSIGN_OR_RETURN(const size_t count, ReadSome(socket, bytes));
    bytes.remove_prefix(count);
    if (bytes.empty()) return absl::OkStatus();
    if (!WaitForSocket(socket, POLLIN, clock, deadline)) {
      return absl::DeadlineExceededError("the deadline passed while receiving");
    }
  }
}

absl::StatusOr<size_t> ReadSome(const Socket& socket, absl::Span<char> bytes) {
  if (bytes.empty()) return 0;
  ssize_t count;
  do {
    count = recv(socket.fd(), bytes.data(), bytes.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return static_cast<size_t>(count);
  if (count == 0) {
    return absl::UnavailableError("the connection was closed by the peer");
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  return SystemError("the connection broke");
}

absl::StatusOr<size_t> WriteSome(const Socket& socket,
                                 absl::string_view bytes) {
  if (bytes.empty()) return 0;
  ssize_t count;
  do {
    count = send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return static_cast<size_t>(count);
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  return SystemError("the connection broke");
}

int MillisecondsUntil(Clock& clock, SteadyTime deadline) {
  const SteadyTime now = clock.Now();
  if (deadline <= now) return 0;
  // Then the clock is looked at again: it may have been moved.
  constexpr auto kLongest = std::chrono::milliseconds(100);
  if (deadline - now >= kLongest) return kLongest.count();
  return static_cast<int>(
      std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count());
}

}  // namespace eplb
