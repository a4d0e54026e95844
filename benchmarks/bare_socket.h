// BareSocket: two ranks at the ends of one TCP connection over loopback, with
// nothing but send(2) and recv(2): a yardstick.
//
//   BareSocket socket;
//   socket.Send(0, sent);          // On the thread of rank 0.
//   socket.Receive(1, received);   // On that of rank 1.

#ifndef EPLB_BENCHMARKS_BARE_SOCKET_H_
#define EPLB_BENCHMARKS_BARE_SOCKET_H_

#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

// Ends the process where the machine has no loopback. The ranks' calls may run
// at the same time.
class BareSocket {
 public:
  BareSocket();
  BareSocket(const BareSocket&) = delete;
  BareSocket& operator=(const BareSocket&) = delete;
  ~BareSocket();

  // To the other rank, and from it; false when the connection is broken.
  bool Send(int rank, absl::Span<const uint8_t> bytes);
  bool Receive(int rank, absl::Span<uint8_t> bytes);

 private:
  int fd_of_rank_[2];
};

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_BARE_SOCKET_H_
