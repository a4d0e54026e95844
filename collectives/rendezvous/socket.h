// Socket: a TCP connection or a listening port, with a deadline on everything
// that could wait, but for the system's look-up of a host's name.
//
//   EPLB_ASSIGN_OR_RETURN(Socket socket,
//                         ConnectTo("127.0.0.1:4711", clock, deadline));
//   EPLB_RETURN_IF_ERROR(WriteAll(socket, bytes, clock, deadline));

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_SOCKET_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_SOCKET_H_

#include <netdb.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"

namespace eplb {

// Closed when destroyed; never blocks by itself. Thread-compatible.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// What errno says about `what`: Unavailable, or ResourceExhausted with the
// limit where file descriptors have run out.
absl::Status SystemError(absl::string_view what);

// Whether `host` stands for every address of the machine.
absl::StatusOr<bool> IsAnyAddress(absl::string_view host);

// Listens on a free port of `host`.
absl::StatusOr<Socket> ListenOn(absl::string_view host);

// The port that `socket` is bound to.
absl::StatusOr<int> LocalPort(const Socket& socket);

// "host:port", with brackets around the host where that has colons.
std::string JoinHostPort(absl::string_view host, int port);

// Where the host has several addresses, to the first that answers.
absl::StatusOr<Socket> ConnectTo(absl::string_view host_and_port, Clock& clock,
                                 SteadyTime deadline);
// The same for `addresses`, a list as getaddrinfo(3) makes it; `name` is for
// messages. One that does not answer leaves the others their share of the time.
absl::StatusOr<Socket> ConnectToOneOf(const addrinfo* addresses,
                                      absl::string_view name, Clock& clock,
                                      SteadyTime deadline);

// The next connection to a listening socket; NotFound when there is none now,
// ResourceExhausted when there is no file descriptor for it.
absl::StatusOr<Socket> AcceptFrom(const Socket& listener);

// Waits until one of `events` of poll(2) is there: false when the deadline
// passes first.
bool WaitForSocket(const Socket& socket, short events, Clock& clock,
                   SteadyTime deadline);

absl::Status WriteAll(const Socket& socket, absl::string_view bytes,
                      Clock& clock, SteadyTime deadline);
absl::Status ReadAll(const Socket& socket, absl::Span<char> bytes, Clock& clock,
                     SteadyTime deadline);

// What is there now, up to `bytes.size()`: 0 when nothing is; Unavailable when
// the peer has closed the connection or it is broken.
absl::StatusOr<size_t> ReadSome(const Socket& socket, absl::Span<char> bytes);
// What can be taken now; errors likewise.
absl::StatusOr<size_t> WriteSome(const Socket& socket, absl::string_view bytes);

// For poll(2): milliseconds until `deadline`, rounded up, from 0 to 100: who
// waits looks at the clock again so often.
int MillisecondsUntil(Clock& clock, SteadyTime deadline);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_SOCKET_H_
