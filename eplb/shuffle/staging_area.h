// StagingArea: a fixed number of rows of memory, each large enough for the
// weights of one expert, that transactions take and give back.
//
//   EPLB_ASSIGN_OR_RETURN(StagingArea area,
//                         StagingArea::Create(device, row_bytes, num_rows));
//   std::optional<std::vector<int>> rows = area.Take(3);
//   ... area.row((*rows)[0]) ...
//   area.GiveBack(*rows);
//
// After an exchange has failed somebody may still write to the rows it was to
// fill: they stay in quarantine until the communicator is gone.

#ifndef EPLB_SHUFFLE_STAGING_AREA_H_
#define EPLB_SHUFFLE_STAGING_AREA_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// Movable. Thread-compatible.
class StagingArea {
 public:
  // In the memory space of the device, which outlives it.
  static absl::StatusOr<StagingArea> Create(Device& device, size_t row_bytes,
                                            int num_rows);

  int num_rows() const { return num_rows_; }
  size_t row_bytes() const { return row_bytes_; }
  std::byte* row(int row) const {
    return memory_.data() + row_bytes_ * static_cast<size_t>(row);
  }

  // The rows that Take could give now.
  int num_free();

  // nullopt when there are not so many.
  std::optional<std::vector<int>> Take(int count);
  void GiveBack(absl::Span<const int> rows);

  // Gives `rows` back, and frees `buffers`, when the object that `user`
  // watches is destroyed.
  void Quarantine(std::vector<int> rows, std::vector<DeviceBuffer> buffers,
                  std::weak_ptr<const void> user);

 private:
  struct Quarantined {
    std::vector<int> rows;
    std::vector<DeviceBuffer> buffers;
    std::weak_ptr<const void> user;
  };

  StagingArea(DeviceBuffer memory, size_t row_bytes, int num_rows);

  void EndQuarantines();

  DeviceBuffer memory_;
  size_t row_bytes_;
  int num_rows_;
  std::vector<int> free_;
  std::vector<Quarantined> quarantined_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_STAGING_AREA_H_
