#include "kernels/cpu/cpu_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "kernels/checksum_rows.h"
#include "kernels/copy_rows.h"
#include "kernels/cpu/copy_bytes.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/map_ids.h"
#include "kernels/cpu/row_pieces.h"
#include "kernels/cpu/work_threads.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/row_checksum.h"

namespace eplb {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kHugePageBytes = 2 << 20;

// Waking a thread takes about as long as copying some 100 KiB, so a smaller
// batch than kMinSharedBytes is done sooner alone.
constexpr size_t kMinSharedBytes = 1 << 20;
constexpr size_t kBytesPerPiece = 256 << 10;

// Shorter rows are not worth the alignment and the fence.
constexpr size_t kMinPastCachesRow = 4 << 10;

int NumThreads(const CpuDeviceOptions& options) {
  if (options.num_threads > 0) return options.num_threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// A batch of more bytes than the caches hold is copied past them.
size_t CacheBytes() {
  constexpr long kUnknown = 32 << 20;
#if defined(_SC_LEVEL3_CACHE_SIZE)
  const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#else
  const long bytes = 0;
#endif
  return static_cast<size_t>(bytes > 0 ? bytes : kUnknown);
}

size_t MachineMemoryBytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

template <typename Row>
size_t TotalBytes(absl::Span<const Row> rows) {
  size_t total = 0;
  for (const Row& row : rows) total += row.num_bytes;
  return total;
}

const std::byte* At(const void* data, size_t offset) {
  return static_cast<const std::byte*>(data) + offset;
}

// What the words of each row add up to, shared among `threads`.
void AddSharedSums(absl::Span<const ConstRow> rows, absl::Span<uint64_t> sums,
                   WorkThreads& threads) {
  static_assert(RowPieces<ConstRow>::kGrainBytes % kChecksumWordBytes == 0);
  const RowPieces<ConstRow> pieces(rows, kBytesPerPiece);
  threads.Run(pieces.size(), [&](size_t piece) {
    pieces.ForEachPart(piece, [&](size_t row, size_t offset, size_t bytes) {
      const uint64_t part = RowChecksumPart(At(rows[row].data, offset), bytes,
                                            offset / kChecksumWordBytes);
      std::atomic_ref<uint64_t>(sums[row]).fetch_add(part,
                                                     std::memory_order_relaxed);
    });
  });
}

}  // namespace

CpuDevice::CpuDevice(const CpuDeviceOptions& options)
    : cache_bytes_(CacheBytes()), threads_(NumThreads(options)) {}

absl::StatusOr<DeviceBuffer> CpuDevice::Allocate(size_t num_bytes,
                                                 MemorySpace space) {
  if (space == MemorySpace::kDevice) {
    return absl::UnimplementedError(
        "Allocate: a CPU has host memory only, not device memory");
  }
  const size_t alignment =
      num_bytes >= kHugePageBytes ? kHugePageBytes : kAlignment;
  const size_t machine_bytes = MachineMemoryBytes();
  void* data = nullptr;
  if (num_bytes > 0 && num_bytes <= machine_bytes) {
    data = std::aligned_alloc(
        alignment, (num_bytes + alignment - 1) / alignment * alignment);
  }
  if (data == nullptr && num_bytes > 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "Allocate: no ", num_bytes, " bytes of ", MemorySpaceName(space),
        " memory; the machine has ", machine_bytes, " in all"));
  }
#if defined(MADV_HUGEPAGE)
  // A hint: without huge pages it is the same memory, only slower.
  if (alignment == kHugePageBytes) madvise(data, num_bytes, MADV_HUGEPAGE);
#endif
  return DeviceBuffer(data, num_bytes, space, std::free);
}

absl::StatusOr<std::unique_ptr<Stream>> CpuDevice::CreateStream() {
  return std::make_unique<CpuStream>(*this);
}

absl::StatusOr<std::unique_ptr<Stream>> CpuDevice::AdoptStream(
    void* native_handle) {
  if (native_handle != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("AdoptStream: a CPU has no native streams, so the handle "
                     "must be null; it is 0x",
                     absl::Hex(reinterpret_cast<uintptr_t>(native_handle))));
  }
  return CreateStream();
}

absl::Status CpuDevice::CopyBatch(absl::Span<const CopyRow> rows,
                                  Stream& stream) {
  EPLB_RETURN_IF_ERROR(CpuStream::CheckIsOf(*this, stream));
  EPLB_RETURN_IF_ERROR(CheckCopyRows(rows));
  const size_t total = TotalBytes(rows);
  const bool is_large = total > cache_bytes_;
  const auto copy = [&](size_t row, size_t offset, size_t bytes) {
    void* to = static_cast<std::byte*>(rows[row].destination) + offset;
    const void* from = At(rows[row].source, offset);
    if (bytes == 0 || to == from) return;
    if (is_large && rows[row].num_bytes >= kMinPastCachesRow) {
      CopyPastCaches(to, from, bytes);
    } else {
      std::memcpy(to, from, bytes);
    }
  };
  if (total < kMinSharedBytes || threads_.num_threads() == 1) {
    for (size_t row = 0; row < rows.size(); ++row) {
      copy(row, 0, rows[row].num_bytes);
    }
    return absl::OkStatus();
  }
  const RowPieces<CopyRow> pieces(rows, kBytesPerPiece);
  threads_.Run(pieces.size(),
               [&](size_t piece) { pieces.ForEachPart(piece, copy); });
  return absl::OkStatus();
}

absl::Status CpuDevice::Checksum(absl::Span<const ConstRow> rows,
                                 absl::Span<uint64_t> sums, Stream& stream,
                                 SteadyTime /*deadline*/) {
  EPLB_RETURN_IF_ERROR(CpuStream::CheckIsOf(*this, stream));
  EPLB_RETURN_IF_ERROR(CheckChecksumRows(rows, sums.size()));
  std::fill(sums.begin(), sums.end(), 0);
  if (TotalBytes(rows) < kMinSharedBytes || threads_.num_threads() == 1) {
    for (size_t row = 0; row < rows.size(); ++row) {
      sums[row] = RowChecksumPart(rows[row].data, rows[row].num_bytes,
                                  /*first_word=*/0);
    }
  } else {
    AddSharedSums(rows, sums, threads_);
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    sums[row] = FinishRowChecksum(sums[row], rows[row].num_bytes);
  }
  return absl::OkStatus();
}

absl::Status CpuDevice::MapAndRecord(const MapAndRecordPass& pass,
                                     Stream& stream) {
  EPLB_RETURN_IF_ERROR(CpuStream::CheckIsOf(*this, stream));
  EPLB_RETURN_IF_ERROR(pass.Validate());
  MapIds(pass);
  return absl::OkStatus();
}

std::string CpuDevice::ToString() const {
  return absl::StrCat("cpu of ", threads_.num_threads(), " threads");
}

}  // namespace eplb
