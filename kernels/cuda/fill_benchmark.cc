// Bytes per second that Fill writes, by size.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/fill.h"

namespace eplb {
namespace {

void BM_Fill(benchmark::State& state) {
  const auto num_bytes = static_cast<size_t>(state.range(0));
  void* memory = nullptr;
  absl::Status status =
      CudaStatus(cudaMalloc(&memory, num_bytes), "cudaMalloc");
  if (!status.ok()) {
    const std::string why =
        (absl::IsUnavailable(status) ? "no CUDA device: " : "") +
        std::string(status.message());
    state.SkipWithError(why.c_str());
    return;
  }
  for (auto _ : state) {
    status.Update(Fill(memory, num_bytes, 0x04030201, /*stream=*/nullptr));
    status.Update(CudaStatus(cudaDeviceSynchronize(), "cudaDeviceSynchronize"));
  }
  cudaFree(memory);
  if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(num_bytes));
}
BENCHMARK(BM_Fill)->RangeMultiplier(16)->Range(4 << 10, 256 << 20);

}  // namespace
}  // namespace eplb
