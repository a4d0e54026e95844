#include "kernels/route_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"
#include "kernels/route_rows.h"

namespace eplb {
namespace {

template <typename T>
void Write(absl::Span<const T> values, std::byte* to) {
  std::copy(values.begin(), values.end(), reinterpret_cast<T*>(to));
}

}  // namespace

RouteTable::Layout::Layout(int num_experts, int max_slots)
    : row_begin(reciprocals + sizeof(uint64_t) * num_experts),
      replica_counts(row_begin + sizeof(int32_t) * (size_t{1} + num_experts)),
      slots(replica_counts + sizeof(int32_t) * num_experts),
      share_ends(slots + sizeof(int32_t) * max_slots),
      num_bytes(share_ends + sizeof(uint32_t) * max_slots) {}

RouteTable::RouteTable(Device& device, int num_experts, int max_slots)
    : device_(device), layout_(num_experts, max_slots) {
  view_.num_experts = num_experts;
  view_.max_slots = max_slots;
}

absl::StatusOr<std::unique_ptr<RouteTable>> RouteTable::Create(
    Device& device, const RouteRows& rows, int max_slots, Stream& stream,
    SteadyTime deadline) {
  if (max_slots < 1 || max_slots > kMaxTableEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "route table: ", max_slots, " slots at most; it must be from 1 to ",
        kMaxTableEntries));
  }
  auto table =
      absl::WrapUnique(new RouteTable(device, rows.num_experts(), max_slots));
  EPLB_RETURN_IF_ERROR(table->Allocate());
  EPLB_RETURN_IF_ERROR(table->Update(rows, stream, deadline));
  EPLB_RETURN_IF_ERROR(stream.Synchronize(deadline));
  return table;
}

absl::Status RouteTable::Allocate() {
  EPLB_ASSIGN_OR_RETURN(
      table_, device_.Allocate(layout_.num_bytes, device_.memory_space()));
  EPLB_ASSIGN_OR_RETURN(
      staged_, device_.Allocate(layout_.num_bytes, MemorySpace::kPinnedHost));
  std::memset(staged_.data(), 0, staged_.num_bytes());
  const std::byte* base = table_.data();
  view_.reciprocals =
      reinterpret_cast<const uint64_t*>(base + layout_.reciprocals);
  view_.row_begin = reinterpret_cast<const int32_t*>(base + layout_.row_begin);
  view_.slots = reinterpret_cast<const int32_t*>(base + layout_.slots);
  view_.share_ends =
      reinterpret_cast<const uint32_t*>(base + layout_.share_ends);
  return absl::OkStatus();
}

absl::Status RouteTable::Update(const RouteRows& rows, Stream& stream,
                                SteadyTime deadline) {
  if (rows.num_experts() != view_.num_experts ||
      rows.num_slots() > view_.max_slots) {
    return absl::InvalidArgumentError(absl::StrCat(
        "route table: ", rows.num_experts(), " experts in ", rows.num_slots(),
        " slots for a table of ", view_.num_experts, " experts in at most ",
        view_.max_slots, " slots"));
  }
  if (copied_ != nullptr) EPLB_RETURN_IF_ERROR(copied_->Wait(deadline));
  std::byte* staged = staged_.data();
  Write(rows.reciprocals(), staged + layout_.reciprocals);
  Write(rows.row_begin(), staged + layout_.row_begin);
  const absl::Span<const int32_t> row_begin = rows.row_begin();
  std::adjacent_difference(
      row_begin.begin() + 1, row_begin.end(),
      reinterpret_cast<int32_t*>(staged + layout_.replica_counts));
  Write(rows.slots(), staged + layout_.slots);
  Write(rows.share_ends(), staged + layout_.share_ends);
  EPLB_RETURN_IF_ERROR(
      device_.CopyBatch({{table_.data(), staged, layout_.num_bytes}}, stream));
  EPLB_ASSIGN_OR_RETURN(copied_, stream.Record());
  return absl::OkStatus();
}

}  // namespace eplb
