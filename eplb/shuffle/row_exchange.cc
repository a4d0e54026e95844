#include "eplb/shuffle/row_exchange.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"

namespace eplb {

absl::Status RowExchange::Prepare(absl::Span<const SendMessage> sends,
                                  absl::Span<const ReceiveMessage> receives,
                                  SteadyTime deadline) {
  sends_.assign(sends.begin(), sends.end());
  receives_.assign(receives.begin(), receives.end());
  to_device_.clear();
  if (!through_host_) return stream_.Synchronize(deadline);
  // Places in host memory; a row that goes to several ranks has one.
  size_t num_bytes = 0;
  std::map<const void*, size_t> place_of_row;
  for (const SendMessage& send : sends) {
    if (place_of_row.emplace(send.buffer.data, num_bytes).second) {
      num_bytes += send.buffer.num_bytes;
    }
  }
  size_t receive_place = num_bytes;
  for (const ReceiveMessage& receive : receives) {
    num_bytes += receive.buffer.num_bytes;
  }
  if (host_memory_.num_bytes() < num_bytes) {
    host_memory_ = {};
    EPLB_ASSIGN_OR_RETURN(
        host_memory_, device_.Allocate(num_bytes, MemorySpace::kPinnedHost));
  }
  std::vector<CopyRow> to_host;
  std::byte* const memory = host_memory_.data();
  for (SendMessage& send : sends_) {
    const size_t place = place_of_row[send.buffer.data];
    if (to_host.empty() || to_host.back().destination < memory + place) {
      to_host.push_back(
          {memory + place, send.buffer.data, send.buffer.num_bytes});
    }
    send.buffer.data = memory + place;
    send.buffer.space = MemorySpace::kPinnedHost;
  }
  for (ReceiveMessage& receive : receives_) {
    to_device_.push_back({receive.buffer.data, memory + receive_place,
                          receive.buffer.num_bytes});
    receive.buffer.data = memory + receive_place;
    receive.buffer.space = MemorySpace::kPinnedHost;
    receive_place += receive.buffer.num_bytes;
  }
  EPLB_RETURN_IF_ERROR(device_.CopyBatch(to_host, stream_));
  return stream_.Synchronize(deadline);
}

absl::Status RowExchange::Run(Communicator& data, SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(data.Exchange(sends_, receives_, deadline));
  if (to_device_.empty()) return absl::OkStatus();
  EPLB_RETURN_IF_ERROR(device_.CopyBatch(to_device_, stream_));
  return stream_.Synchronize(deadline);
}

absl::Status RowExchange::CompareChecksums(
    absl::Span<const SendMessage> sends,
    absl::Span<const ReceiveMessage> receives, Communicator& control,
    absl::FunctionRef<std::string(size_t)> describe, SteadyTime deadline) {
  std::vector<ConstRow> rows;
  for (const SendMessage& send : sends) {
    rows.push_back({send.buffer.data, send.buffer.num_bytes});
  }
  for (const ReceiveMessage& receive : receives) {
    rows.push_back({receive.buffer.data, receive.buffer.num_bytes});
  }
  std::vector<uint64_t> sums(rows.size());
  const absl::Status summed =
      device_.Checksum(rows, absl::MakeSpan(sums), stream_, deadline);
  // Sums of theirs are awaited by the others, whatever this rank has.
  std::vector<uint64_t> expected(receives.size());
  std::vector<SendMessage> sum_sends;
  std::vector<ReceiveMessage> sum_receives;
  for (size_t i = 0; i < sends.size(); ++i) {
    sum_sends.push_back({sends[i].destination, {&sums[i], sizeof(sums[i])}});
  }
  for (size_t i = 0; i < receives.size(); ++i) {
    sum_receives.push_back(
        {receives[i].source, {&expected[i], sizeof(expected[i])}});
  }
  EPLB_RETURN_IF_ERROR(control.Exchange(sum_sends, sum_receives, deadline));
  EPLB_RETURN_IF_ERROR(summed);
  for (size_t i = 0; i < receives.size(); ++i) {
    if (sums[sends.size() + i] == expected[i]) continue;
    return absl::DataLossError(
        absl::StrCat(describe(i),
                     ": the checksum of what was received is not "
                     "that of what was sent"));
  }
  return absl::OkStatus();
}

}  // namespace eplb
