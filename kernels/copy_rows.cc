#include "kernels/copy_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"

namespace eplb {
namespace {

uintptr_t Address(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory);
}

struct Destination {
  uintptr_t begin;
  uintptr_t end;
  size_t row;
};

std::string Range(uintptr_t begin, size_t num_bytes) {
  return absl::StrCat("[0x", absl::Hex(begin), ", 0x",
                      absl::Hex(begin + num_bytes), ")");
}

absl::Status Overlap(absl::Span<const CopyRow> rows, size_t written,
                     absl::string_view what, size_t other) {
  const CopyRow& a = rows[written];
  const CopyRow& b = rows[other];
  return absl::InvalidArgumentError(absl::StrCat(
      "CopyBatch: the destination of row ", written, ", ",
      Range(Address(a.destination), a.num_bytes), ", overlaps the ", what,
      " of row ", other, ", ",
      Range(Address(what == "source" ? b.source : b.destination), b.num_bytes),
      "; the rows of a batch are copied in no particular order"));
}

absl::Status CheckRow(absl::Span<const CopyRow> rows, size_t i) {
  const CopyRow& row = rows[i];
  const uintptr_t destination = Address(row.destination);
  const uintptr_t source = Address(row.source);
  if (row.destination == nullptr || row.source == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "CopyBatch: row ", i, " of ", row.num_bytes, " bytes has a null ",
        row.destination == nullptr ? "destination" : "source"));
  }
  constexpr uintptr_t kLast = std::numeric_limits<uintptr_t>::max();
  if (row.num_bytes > kLast - std::max(destination, source)) {
    return absl::InvalidArgumentError(
        absl::StrCat("CopyBatch: row ", i, " of ", row.num_bytes,
                     " bytes reaches past the end of the address space"));
  }
  const uintptr_t distance =
      std::max(destination, source) - std::min(destination, source);
  if (distance != 0 && distance < row.num_bytes) {
    return Overlap(rows, i, "source", i);
  }
  return absl::OkStatus();
}

// The destinations of rows that write something, sorted by address.
std::vector<Destination> SortedDestinations(absl::Span<const CopyRow> rows) {
  std::vector<Destination> destinations;
  destinations.reserve(rows.size());
  bool sorted = true;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].num_bytes == 0) continue;
    const uintptr_t begin = Address(rows[i].destination);
    sorted =
        sorted && (destinations.empty() || destinations.back().begin <= begin);
    destinations.push_back({begin, begin + rows[i].num_bytes, i});
  }
  if (!sorted) {
    std::sort(destinations.begin(), destinations.end(),
              [](const Destination& a, const Destination& b) {
                return a.begin != b.begin ? a.begin < b.begin : a.row < b.row;
              });
  }
  return destinations;
}

// `destinations` are sorted and do not overlap each other.
absl::Status CheckSources(absl::Span<const CopyRow> rows,
                          absl::Span<const Destination> destinations) {
  const uintptr_t first = destinations.front().begin;
  const uintptr_t last = destinations.back().end;
  for (size_t i = 0; i < rows.size(); ++i) {
    const uintptr_t begin = Address(rows[i].source);
    const uintptr_t end = begin + rows[i].num_bytes;
    if (begin == end || end <= first || begin >= last) continue;
    auto reached =
        std::partition_point(destinations.begin(), destinations.end(),
                             [&](const Destination& destination) {
                               return destination.end <= begin;
                             });
    // Its own destination can only be the whole of it, so at most one of two
    // neighbours is no mistake.
    if (reached != destinations.end() && reached->row == i) ++reached;
    if (reached != destinations.end() && reached->begin < end) {
      return Overlap(rows, reached->row, "source", i);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCopyRows(absl::Span<const CopyRow> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].num_bytes > 0) EPLB_RETURN_IF_ERROR(CheckRow(rows, i));
  }
  if (rows.size() < 2) return absl::OkStatus();
  const std::vector<Destination> destinations = SortedDestinations(rows);
  if (destinations.empty()) return absl::OkStatus();
  for (size_t i = 1; i < destinations.size(); ++i) {
    const Destination& before = destinations[i - 1];
    const Destination& after = destinations[i];
    if (after.begin < before.end) {
      return Overlap(rows, before.row, "destination", after.row);
    }
  }
  return CheckSources(rows, destinations);
}

}  // namespace eplb
