// The nccl backend keeps the rules on a real device, with buffers in its
// memory: one rank, as there may be one device only.

#include <cuda_runtime.h>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/conformance_memory.h"
#include "collectives/in_process.h"
#include "collectives/nccl.h"
#include "collectives/nccl_api_real.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(
        NewNcclFactory({.device = 0}, (*group)->FactoryOfRank(rank), clock));
  }
  return factories;
}

std::shared_ptr<void> Allocate(size_t num_bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, num_bytes);
  EXPECT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
  return std::shared_ptr<void>(memory, [](void* freed) { cudaFree(freed); });
}

void Copy(void* to, const void* from, size_t num_bytes) {
  const cudaError_t error = cudaMemcpy(to, from, num_bytes, cudaMemcpyDefault);
  EXPECT_EQ(error, cudaSuccess) << cudaGetErrorString(error);
}

// None, with the reason, on a machine without a device.
std::vector<ConformanceBackend> Backends() {
  const absl::Status device = RealNcclApi()->DeviceUuid(0).status();
  if (absl::IsUnavailable(device)) {
    std::cout << "all tests skipped, no CUDA device: " << device.message()
              << "\n";
    return {};
  }
  return {{.name = "nccl",
           .make_job = MakeJob,
           .max_ranks = 1,
           .exceptions = {{ConformanceRule::kSeveralRanks,
                           "one device serves one rank"}},
           .memory = {.space = MemorySpace::kDevice,
                      .allocate = Allocate,
                      .copy = Copy},
           .refused = MemorySpace::kHost}};
}

// GoogleTest asks several times.
const std::vector<ConformanceBackend>& AskedOnce() {
  static const auto& backends =
      *new std::vector<ConformanceBackend>(Backends());
  return backends;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CommunicatorConformanceTest);
INSTANTIATE_TEST_SUITE_P(NcclOnGpu, CommunicatorConformanceTest,
                         testing::ValuesIn(AskedOnce()),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
