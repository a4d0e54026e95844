#include "collectives/call_arguments.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/rank_values.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status CheckAddress(const void* data, size_t num_bytes,
                          absl::string_view name) {
  if (data != nullptr || num_bytes == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": no address for ", num_bytes, " bytes"));
}

bool Overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  const uintptr_t a_begin = reinterpret_cast<uintptr_t>(a);
  const uintptr_t b_begin = reinterpret_cast<uintptr_t>(b);
  return a_begin < b_begin + b_bytes && b_begin < a_begin + a_bytes;
}

}  // namespace

absl::Status CheckAllGather(ConstBuffer mine, Buffer all, int rank,
                            int num_ranks) {
  EPLB_RETURN_IF_ERROR(CheckAddress(mine.data, mine.num_bytes, "mine"));
  EPLB_RETURN_IF_ERROR(CheckAddress(all.data, all.num_bytes, "all"));
  if (mine.num_bytes > std::numeric_limits<size_t>::max() / num_ranks ||
      all.num_bytes != mine.num_bytes * num_ranks) {
    return absl::InvalidArgumentError(absl::StrCat("all: ", all.num_bytes,
                                                   " bytes for ", num_ranks,
                                                   " times ", mine.num_bytes));
  }
  const std::byte* own_place =
      static_cast<const std::byte*>(all.data) + rank * mine.num_bytes;
  if (mine.num_bytes > 0 && mine.data != own_place &&
      Overlap(mine.data, mine.num_bytes, all.data, all.num_bytes)) {
    return absl::InvalidArgumentError(
        "mine overlaps all and is not its own place in it");
  }
  return absl::OkStatus();
}

absl::Status CheckBroadcast(Buffer data, int root, int num_ranks) {
  if (root < 0 || root >= num_ranks) {
    return absl::InvalidArgumentError(
        absl::StrCat("root ", root, " is not in [0, ", num_ranks, ")"));
  }
  return CheckAddress(data.data, data.num_bytes, "data");
}

absl::Status CheckExchange(absl::Span<const SendMessage> sends,
                           absl::Span<const ReceiveMessage> receives) {
  // The name is built for an error only: a batch may have thousands.
  for (size_t i = 0; i < sends.size(); ++i) {
    const ConstBuffer& buffer = sends[i].buffer;
    if (buffer.data != nullptr || buffer.num_bytes == 0) continue;
    return CheckAddress(nullptr, buffer.num_bytes, absl::StrCat("send ", i));
  }
  for (size_t i = 0; i < receives.size(); ++i) {
    const Buffer& buffer = receives[i].buffer;
    if (buffer.data != nullptr || buffer.num_bytes == 0) continue;
    return CheckAddress(nullptr, buffer.num_bytes, absl::StrCat("receive ", i));
  }
  return absl::OkStatus();
}

absl::Status CheckOnHost(MemorySpace space) {
  if (space == MemorySpace::kHost || space == MemorySpace::kPinnedHost) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat(
      MemorySpaceName(space), " memory is not served, only host memory is"));
}

absl::Status CheckOnHost(absl::Span<const SendMessage> sends,
                         absl::Span<const ReceiveMessage> receives) {
  for (const SendMessage& message : sends) {
    EPLB_RETURN_IF_ERROR(CheckOnHost(message.buffer.space));
  }
  for (const ReceiveMessage& message : receives) {
    EPLB_RETURN_IF_ERROR(CheckOnHost(message.buffer.space));
  }
  return absl::OkStatus();
}

absl::Status CheckConnect(int rank, int num_ranks, uint64_t epoch,
                          uint64_t last_epoch, absl::Span<const int> members) {
  if (epoch <= last_epoch) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, ": epoch ", epoch, " does not come after epoch ",
        last_epoch, ", which this rank has used"));
  }
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] < 0 || members[i] >= num_ranks) {
      return absl::InvalidArgumentError(
          absl::StrCat("members[", i, "]: rank ", members[i], " is not in [0, ",
                       num_ranks, ")"));
    }
    if (i > 0 && members[i] <= members[i - 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("members[", i, "]: rank ", members[i],
                       " does not come after rank ", members[i - 1]));
    }
  }
  if (!std::binary_search(members.begin(), members.end(), rank)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", rank, " connects as one of ", RankList(members)));
  }
  return absl::OkStatus();
}

}  // namespace eplb
