// The inside of GlooTransport: connections in gloo_transport.cc, transfers in
// gloo_transport_transfers.cc.

#ifndef EPLB_COLLECTIVES_GLOO_TRANSPORT_STATE_H_
#define EPLB_COLLECTIVES_GLOO_TRANSPORT_STATE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/gloo_device.h"
#include "collectives/gloo_message.h"
#include "collectives/gloo_stream.h"
#include "collectives/gloo_transport.h"
#include "eplb/core/clock.h"
#include "gloo/transport/context.h"
#include "gloo/transport/unbound_buffer.h"

namespace eplb {

class GlooTransport::State {
 public:
  State(int rank, int num_ranks, Clock& clock,
        std::chrono::milliseconds progress_timeout)
      : rank_(rank),
        num_ranks_(num_ranks),
        clock_(clock),
        progress_timeout_(progress_timeout) {}

  // Not Close: what was sent last may still be on its way.
  ~State() = default;

  absl::Status Listen(const GlooDeviceOptions& options, SteadyTime deadline);

  std::string AddressFor(int peer) const;

  absl::Status Connect(absl::Span<const std::string> addresses,
                       SteadyTime deadline);

  absl::Status Expect(absl::Span<const GlooMessage> receives);

  absl::Status Transfer(absl::Span<const GlooMessage> sends,
                        absl::Span<const GlooMessage> receives,
                        SteadyTime deadline);

  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);

  void Close();

 private:
  // What Gloo is told to wait at most: not 0, which means for ever.
  static std::chrono::milliseconds AtLeastOne(SteadyTime::duration duration) {
    return std::max(std::chrono::milliseconds(1),
                    std::chrono::ceil<std::chrono::milliseconds>(duration));
  }

  bool BeginConnecting(int peer) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndConnecting(SteadyTime deadline) ABSL_LOCKS_EXCLUDED(mutex_);
  void ClosePair(int peer);
  void ClosePairs();
  std::vector<GlooStream> MakeStreams(
      GlooStream::Direction direction,
      absl::Span<const GlooMessage> messages) const;
  absl::Status Move(std::vector<GlooStream>& sends, SteadyTime deadline);
  absl::Status Finish(GlooStream& stream, size_t index, SteadyTime deadline);
  absl::Status Await(GlooStream& stream, size_t index, SteadyTime deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const int rank_;
  const int num_ranks_;
  Clock& clock_;
  const std::chrono::milliseconds progress_timeout_;
  std::shared_ptr<gloo::transport::Context> context_;
  std::vector<GlooStream> expected_;  // Receives that Gloo is at work on.

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool is_interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_connected_ ABSL_GUARDED_BY(mutex_) = false;
  int connecting_peer_ ABSL_GUARDED_BY(mutex_) = -1;
  gloo::transport::UnboundBuffer* awaited_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_TRANSPORT_STATE_H_
