// What CudaDevice reaches on a device, beside the device's own large copy in
// the same iterations.
//
// Counters: `ratio` is the median over iterations of the bandwidth by that of
// one cudaMemcpyAsync of the same bytes; `wrong` counts rows, slots and counts
// that were not as expected. Times are the device's, between two events.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"

namespace eplb {
namespace {

// A device with a stream of its own; null, and the benchmark skipped with the
// reason, where there is none.
class Bench {
 public:
  Bench(benchmark::State& state, CudaCopyMethod copy_method) {
    absl::StatusOr<std::unique_ptr<CudaDevice>> device =
        CudaDevice::Create({.copy_method = copy_method}, clock_);
    if (!device.ok()) {
      state.SkipWithError(device.status().ToString().c_str());
      return;
    }
    device_ = *std::move(device);
    cudaStreamCreateWithFlags(&native_, cudaStreamNonBlocking);
    cudaEventCreate(&begin_);
    cudaEventCreate(&end_);
    stream_ = *device_->AdoptStream(native_);
  }
  ~Bench() {
    if (device_ == nullptr) return;
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(native_);
  }

  CudaDevice* device() { return device_.get(); }
  Stream& stream() { return *stream_; }
  cudaStream_t native() { return native_; }

  // What `work`, handed to the stream, takes on the device.
  template <typename Work>
  double Seconds(Work work) {
    cudaEventRecord(begin_, native_);
    work();
    cudaEventRecord(end_, native_);
    cudaEventSynchronize(end_);
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, begin_, end_);
    return milliseconds * 1e-3;
  }

 private:
  SystemClock clock_;
  std::unique_ptr<CudaDevice> device_;
  cudaStream_t native_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
  std::unique_ptr<Stream> stream_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Whether both rows of memory have the same checksum.
int64_t CountWrong(Bench& bench, absl::Span<const CopyRow> rows) {
  std::vector<ConstRow> both;
  for (const CopyRow& row : rows) {
    both.push_back({row.source, row.num_bytes});
    both.push_back({row.destination, row.num_bytes});
  }
  std::vector<uint64_t> sums(both.size());
  if (!bench.device()
           ->Checksum(both, absl::MakeSpan(sums), bench.stream(),
                      SteadyTime::max())
           .ok()) {
    return rows.size();
  }
  int64_t wrong = 0;
  for (size_t i = 0; i < sums.size(); i += 2) wrong += sums[i] != sums[i + 1];
  return wrong;
}

// Arguments: rows, bytes per row, bytes that the source is off a boundary.
void BM_CopyBatch(benchmark::State& state, CudaCopyMethod copy_method) {
  Bench bench(state, copy_method);
  if (bench.device() == nullptr) return;
  const size_t num_rows = state.range(0);
  const size_t row_bytes = state.range(1);
  const size_t off = state.range(2);
  const size_t total = num_rows * row_bytes;
  const DeviceBuffer from =
      *bench.device()->Allocate(total + off, MemorySpace::kDevice);
  const DeviceBuffer to =
      *bench.device()->Allocate(total, MemorySpace::kDevice);
  std::vector<CopyRow> rows;
  for (size_t i = 0; i < num_rows; ++i) {
    // Each row has bytes of its own, and another place in the destination.
    cudaMemsetAsync(from.data() + i * row_bytes + off, static_cast<int>(i),
                    row_bytes, bench.native());
    rows.push_back({to.data() + (i * 7 + 3) % num_rows * row_bytes,
                    from.data() + i * row_bytes + off, row_bytes});
  }
  std::vector<double> ratios;
  absl::Status status;
  for (auto _ : state) {
    const double yardstick = bench.Seconds([&] {
      cudaMemcpyAsync(to.data(), from.data(), total, cudaMemcpyDeviceToDevice,
                      bench.native());
    });
    const double seconds = bench.Seconds(
        [&] { status = bench.device()->CopyBatch(rows, bench.stream()); });
    if (!status.ok()) {
      state.SkipWithError(status.ToString().c_str());
      break;
    }
    ratios.push_back(yardstick / seconds);
    state.SetIterationTime(seconds);
  }
  state.SetBytesProcessed(state.iterations() * total);
  state.counters["ratio"] = Median(ratios);
  state.counters["wrong"] = CountWrong(bench, rows);
}

void BM_MapAndRecord(benchmark::State& state, ReplicaChoice choice) {
  constexpr int kExperts = 256;
  constexpr int kSlots = 288;
  constexpr int kTopK = 8;
  Bench bench(state, CudaCopyMethod::kKernel);
  if (bench.device() == nullptr) return;
  const int64_t num_tokens = state.range(0);
  std::vector<int32_t> experts(kSlots);
  for (int slot = 0; slot < kSlots; ++slot) {
    experts[slot] = slot < kExperts ? slot : (slot - kExperts) % 25 / 3;
  }
  const auto table = *RouteTable::Create(
      *bench.device(), *RouteRows::Create(kExperts, experts), kSlots,
      bench.stream(), SteadyTime::max());
  const size_t num_bytes = num_tokens * kTopK * sizeof(int32_t);
  const DeviceBuffer ids =
      *bench.device()->Allocate(num_bytes, MemorySpace::kDevice);
  const DeviceBuffer slot_ids =
      *bench.device()->Allocate(num_bytes, MemorySpace::kDevice);
  const DeviceBuffer counts =
      *bench.device()->Allocate(kSlots * sizeof(int32_t), MemorySpace::kDevice);
  std::vector<int32_t> host_ids(num_tokens * kTopK);
  uint32_t mixed = 1;
  for (int32_t& id : host_ids) {
    mixed = mixed * 1664525 + 1013904223;
    id = (mixed >> 16) * (mixed >> 24) / 65536;
  }
  cudaMemcpy(ids.data(), host_ids.data(), num_bytes, cudaMemcpyHostToDevice);
  cudaMemset(counts.data(), 0, counts.num_bytes());
  const MapAndRecordPass pass{
      .table = table->view(),
      .choice = choice,
      .logical_ids = ids.data(),
      .num_tokens = num_tokens,
      .top_k = kTopK,
      .slot_ids = reinterpret_cast<int32_t*>(slot_ids.data()),
      .slot_counts = reinterpret_cast<int32_t*>(counts.data())};
  int64_t wrong = 0;
  for (auto _ : state) {
    state.SetIterationTime(bench.Seconds([&] {
      wrong += !bench.device()->MapAndRecord(pass, bench.stream()).ok();
    }));
  }
  std::vector<int32_t> routed(host_ids.size());
  std::vector<int32_t> counted(kSlots);
  cudaMemcpy(routed.data(), slot_ids.data(), num_bytes, cudaMemcpyDeviceToHost);
  cudaMemcpy(counted.data(), counts.data(), counts.num_bytes(),
             cudaMemcpyDeviceToHost);
  for (size_t i = 0; i < routed.size(); ++i) {
    const bool in_range = routed[i] >= 0 && routed[i] < kSlots;
    wrong += !in_range || experts[routed[i]] != host_ids[i];
    if (in_range) counted[routed[i]] -= state.iterations();
  }
  for (const int32_t rest : counted) wrong += rest != 0;
  state.SetItemsProcessed(state.iterations() * host_ids.size());
  state.counters["wrong"] = wrong;
}

void CopyArguments(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({9, 44 << 20, 0})
      ->Args({512, 1 << 20, 0})
      ->Args({512, 1 << 20, 1})
      ->Args({512, 1 << 20, 4})
      ->Args({65536, 64, 0})
      ->UseManualTime();
}
BENCHMARK_CAPTURE(BM_CopyBatch, kernel, CudaCopyMethod::kKernel)
    ->Apply(CopyArguments);
BENCHMARK_CAPTURE(BM_CopyBatch, driver, CudaCopyMethod::kDriver)
    ->Apply(CopyArguments);
BENCHMARK_CAPTURE(BM_MapAndRecord, hash, ReplicaChoice::kHash)
    ->Arg(128)
    ->Arg(8192)
    ->UseManualTime();
BENCHMARK_CAPTURE(BM_MapAndRecord, spread, ReplicaChoice::kSpread)
    ->Arg(128)
    ->Arg(8192)
    ->UseManualTime();

}  // namespace
}  // namespace eplb
