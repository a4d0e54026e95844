// RowExchange: sends and receives rows of a device over a communicator, which
// may serve host memory only, and compares their checksums.

#ifndef EPLB_SHUFFLE_ROW_EXCHANGE_H_
#define EPLB_SHUFFLE_ROW_EXCHANGE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "kernels/device.h"

namespace eplb {

// Thread-compatible. Device and stream outlive it.
class RowExchange {
 public:
  // With `through_host` rows go through pinned host memory, which is kept from
  // one exchange to the next.
  RowExchange(Device& device, Stream& stream, bool through_host)
      : device_(device), stream_(stream), through_host_(through_host) {}

  // Does all that can fail on this rank alone before others wait for it:
  // memory, and copies of what is to be sent. The messages outlive Run.
  absl::Status Prepare(absl::Span<const SendMessage> sends,
                       absl::Span<const ReceiveMessage> receives,
                       SteadyTime deadline);

  // Returns when the rows that were received can be read by any stream.
  absl::Status Run(Communicator& data, SteadyTime deadline);

  // What Run received into besides the rows; for quarantine when it failed.
  // The next exchange allocates anew.
  DeviceBuffer TakeHostMemory() { return std::exchange(host_memory_, {}); }

  // Compares a checksum of every row with that of its sender, over `control`.
  // DataLoss that quotes `describe` for a receive that differs.
  absl::Status CompareChecksums(absl::Span<const SendMessage> sends,
                                absl::Span<const ReceiveMessage> receives,
                                Communicator& control,
                                absl::FunctionRef<std::string(size_t)> describe,
                                SteadyTime deadline);

 private:
  Device& device_;
  Stream& stream_;
  const bool through_host_;
  DeviceBuffer host_memory_;

  // Of the exchange at hand, with the addresses that the communicator sees.
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
  std::vector<CopyRow> to_device_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_ROW_EXCHANGE_H_
