// AsyncRank: one rank of an engine that does nothing but step, with the state
// and the row sizes of a real one, and what its steps took.
//
//   AsyncRank rank(factory, r, /*num_ranks=*/8, AsyncMode::kBackground);
//   const AsyncTimes times = rank.Serve();

#ifndef EPLB_BENCHMARKS_ASYNC_RANK_H_
#define EPLB_BENCHMARKS_ASYNC_RANK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/state/eplb_state.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "policies/policy_registry.h"

namespace eplb {

enum class AsyncMode { kNone, kSynchronous, kBackground };

// In microseconds, of the steps of one rank or of several.
struct AsyncTimes {
  std::vector<double> wall;  // Of every step.
  // CPU time of the serving thread in steps that switched a layer: the whole
  // step, and in it the copy of the layer's rows.
  std::vector<double> switching;
  std::vector<double> copying;
  // CPU time of all other steps.
  std::vector<double> other;
  // The same rows copied after the run, while nothing else goes on.
  std::vector<double> copying_alone;
  // From the order of the run to its last switch.
  int run_steps = 0;
  // Slots that do not hold the expert of the placement.
  int64_t wrong = 0;

  void Add(const AsyncTimes& rank);
  // One line, and back.
  std::string Serialize() const;
  static AsyncTimes Parse(const std::string& line);
};

// A device that tells what copies of whole rows cost the serving thread.
class CopyTimingDevice final : public Device {
 public:
  explicit CopyTimingDevice(size_t row_bytes) : row_bytes_(row_bytes) {}

  // CPU microseconds that the calling thread has copied rows for.
  static double Copied();

  MemorySpace memory_space() const override { return device_.memory_space(); }
  absl::Status BindThread() override { return device_.BindThread(); }
  absl::StatusOr<DeviceBuffer> Allocate(size_t num_bytes,
                                        MemorySpace space) override {
    return device_.Allocate(num_bytes, space);
  }
  absl::StatusOr<std::unique_ptr<Stream>> CreateStream() override {
    return device_.CreateStream();
  }
  absl::StatusOr<std::unique_ptr<Stream>> AdoptStream(
      void* native_handle) override {
    return device_.AdoptStream(native_handle);
  }
  absl::Status CopyBatch(absl::Span<const CopyRow> rows,
                         Stream& stream) override;
  absl::Status Checksum(absl::Span<const ConstRow> rows,
                        absl::Span<uint64_t> sums, Stream& stream,
                        SteadyTime deadline) override {
    return device_.Checksum(rows, sums, stream, deadline);
  }
  absl::Status MapAndRecord(const MapAndRecordPass& pass,
                            Stream& stream) override {
    return device_.MapAndRecord(pass, stream);
  }
  std::string ToString() const override { return device_.ToString(); }

 private:
  const size_t row_bytes_;
  CpuDevice device_{{.num_threads = 1}};
};

class AsyncRank {
 public:
  static constexpr int kLayers = 58;
  static constexpr int kSlotsPerRank = 8;
  static constexpr size_t kRowBytes = size_t{256} << 10;
  static constexpr size_t kLayerBytes = kSlotsPerRank * kRowBytes;
  // Of which one begins a run of all layers, unless nothing moves.
  static constexpr int kSteps = 190;
  static constexpr int kFirstRunStep = 40;

  // `factory` connects all ranks.
  AsyncRank(CommunicatorFactory& factory, int rank, int num_ranks,
            AsyncMode mode);

  AsyncTimes Serve();

 private:
  absl::Span<std::byte> Row(int layer, int slot) {
    return absl::MakeSpan(memory_).subspan(
        layer * kLayerBytes + slot * kRowBytes, kRowBytes);
  }
  void CountTokens();
  std::vector<double> CopyAlone();
  int64_t CountWrong();

  const int rank_;
  const int num_ranks_;
  const AsyncMode mode_;
  SystemClock clock_;
  PolicyRegistry policies_;
  CopyTimingDevice device_{kRowBytes};
  std::vector<std::byte> memory_;
  std::unique_ptr<Communicator> control_;
  std::unique_ptr<EplbState> state_;
};

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_ASYNC_RANK_H_
