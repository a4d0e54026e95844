#include "testing/faulty_device.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"

namespace eplb {

absl::Status FaultyDevice::Begin() {
  const int64_t operation = num_operations_++;
  if (operation != options_.failing_operation) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("scripted fault of device operation ", operation));
}

absl::StatusOr<DeviceBuffer> FaultyDevice::Allocate(size_t num_bytes,
                                                    MemorySpace space) {
  EPLB_RETURN_IF_ERROR(Begin());
  EPLB_ASSIGN_OR_RETURN(DeviceBuffer memory,
                        device_.Allocate(num_bytes, MemorySpace::kHost));
  std::memset(memory.data(), static_cast<int>(kPoison), num_bytes);
  auto owner = std::make_shared<DeviceBuffer>(std::move(memory));
  return DeviceBuffer(owner->data(), num_bytes, space,
                      [owner](void*) mutable { owner.reset(); });
}

absl::Status FaultyDevice::CopyBatch(absl::Span<const CopyRow> rows,
                                     Stream& stream) {
  const absl::Status status = Begin();
  if (status.ok()) return device_.CopyBatch(rows, stream);
  EPLB_RETURN_IF_ERROR(
      device_.CopyBatch(rows.first((rows.size() + 1) / 2), stream));
  return status;
}

absl::Status FaultyDevice::Checksum(absl::Span<const ConstRow> rows,
                                    absl::Span<uint64_t> sums, Stream& stream,
                                    SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(Begin());
  return device_.Checksum(rows, sums, stream, deadline);
}

absl::Status FaultyDevice::MapAndRecord(const MapAndRecordPass& pass,
                                        Stream& stream) {
  EPLB_RETURN_IF_ERROR(Begin());
  return device_.MapAndRecord(pass, stream);
}

std::string FaultyDevice::ToString() const {
  return absl::StrCat("faulty ", device_.ToString());
}

}  // namespace eplb
