// GlooTransport: moves payloads between ranks with Gloo. What may be moved has
// been agreed on before, so no message is longer or shorter than the memory
// that waits for it; Gloo would end the process, or leave it half filled.
//
//   EPLB_ASSIGN_OR_RETURN(auto transport,
//                         GlooTransport::Create(options, rank, size, clock));
//   // Tell each peer transport->AddressFor(peer), learn theirs for this rank.
//   EPLB_RETURN_IF_ERROR(transport->Connect(addresses, deadline));
//   EPLB_RETURN_IF_ERROR(transport->Transfer(sends, receives, deadline));
//
// Gloo's exceptions end here, as statuses that name the rank at the other end.

#ifndef EPLB_COLLECTIVES_GLOO_TRANSPORT_H_
#define EPLB_COLLECTIVES_GLOO_TRANSPORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/gloo_device.h"
#include "collectives/gloo_message.h"
#include "eplb/core/clock.h"

namespace eplb {

// One call at a time; Interrupt beside it.
class GlooTransport {
 public:
  // Begins to listen; Connect has until `deadline`.
  static absl::StatusOr<std::unique_ptr<GlooTransport>> Create(
      const GlooDeviceOptions& options, int rank, int num_ranks, Clock& clock,
      SteadyTime deadline);

  // What `peer` connects to; for a machine, not for people.
  std::string AddressFor(int peer) const;

  // `addresses[p]` is what rank p's transport gave for this rank.
  absl::Status Connect(absl::Span<const std::string> addresses,
                       SteadyTime deadline);

  // Makes the memory of the next Transfer ready to receive into, so that its
  // peers need not ask; before what they will send is agreed on. Ends with that
  // Transfer, which repeats `receives`, or with Close.
  absl::Status Expect(absl::Span<const GlooMessage> receives);

  // Returns when everything is sent and received. After an error the transport
  // is closed, and no thread touches the memory any more.
  absl::Status Transfer(absl::Span<const GlooMessage> sends,
                        absl::Span<const GlooMessage> receives,
                        SteadyTime deadline);

  // Ends the pending Connect or Transfer, and all later ones, with Cancelled.
  // Thread-safe, does not wait.
  void Interrupt();

  // Closes all connections.
  void Close();

  ~GlooTransport();

 private:
  class State;
  explicit GlooTransport(std::unique_ptr<State> state);

  const std::unique_ptr<State> state_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_TRANSPORT_H_
