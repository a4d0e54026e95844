#include "eplb/shuffle/staging_area.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"

namespace eplb {

absl::StatusOr<StagingArea> StagingArea::Create(Device& device,
                                                size_t row_bytes,
                                                int num_rows) {
  EPLB_ASSIGN_OR_RETURN(
      DeviceBuffer memory,
      device.Allocate(row_bytes * static_cast<size_t>(num_rows),
                      device.memory_space()));
  return StagingArea(std::move(memory), row_bytes, num_rows);
}

StagingArea::StagingArea(DeviceBuffer memory, size_t row_bytes, int num_rows)
    : memory_(std::move(memory)), row_bytes_(row_bytes), num_rows_(num_rows) {
  // The last is taken first.
  for (int row = num_rows - 1; row >= 0; --row) free_.push_back(row);
}

int StagingArea::num_free() {
  EndQuarantines();
  return static_cast<int>(free_.size());
}

std::optional<std::vector<int>> StagingArea::Take(int count) {
  if (num_free() < count) return std::nullopt;
  std::vector<int> rows(free_.rbegin(), free_.rbegin() + count);
  free_.resize(free_.size() - rows.size());
  return rows;
}

void StagingArea::GiveBack(absl::Span<const int> rows) {
  free_.insert(free_.end(), rows.rbegin(), rows.rend());
}

void StagingArea::Quarantine(std::vector<int> rows,
                             std::vector<DeviceBuffer> buffers,
                             std::weak_ptr<const void> user) {
  quarantined_.push_back(
      {std::move(rows), std::move(buffers), std::move(user)});
}

void StagingArea::EndQuarantines() {
  for (size_t i = 0; i < quarantined_.size();) {
    if (!quarantined_[i].user.expired()) {
      ++i;
      continue;
    }
    GiveBack(quarantined_[i].rows);
    quarantined_.erase(quarantined_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace eplb
