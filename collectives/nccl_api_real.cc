#include "collectives/nccl_api_real.h"

#include <cuda_runtime.h>
#include <nccl.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/nccl_api.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

static_assert(static_cast<int>(NcclResult::kInProgress) == ncclInProgress);
static_assert(static_cast<int>(NcclResult::kRemoteError) == ncclRemoteError);
static_assert(sizeof(NcclUniqueId) == sizeof(ncclUniqueId));

NcclResult FromNccl(ncclResult_t result) {
  return static_cast<NcclResult>(result);
}

ncclDataType_t ToNccl(NcclDataType type) {
  return type == NcclDataType::kInt64 ? ncclInt64 : ncclUint8;
}

ncclComm_t ToNccl(NcclComm comm) { return reinterpret_cast<ncclComm_t>(comm); }

cudaStream_t ToCuda(CudaStream stream) {
  return reinterpret_cast<cudaStream_t>(stream);
}

absl::StatusCode CodeOf(cudaError_t error) {
  switch (error) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorDevicesUnavailable:
      return absl::StatusCode::kUnavailable;
    case cudaErrorMemoryAllocation:
      return absl::StatusCode::kResourceExhausted;
    case cudaErrorInvalidDevice:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status FromCuda(cudaError_t error, absl::string_view call) {
  if (error == cudaSuccess) return absl::OkStatus();
  // The runtime remembers it for the thread, and would report it again.
  cudaGetLastError();
  return absl::Status(CodeOf(error),
                      absl::StrCat(call, ": ", cudaGetErrorName(error), ": ",
                                   cudaGetErrorString(error)));
}

class Real final : public NcclApi {
 public:
  NcclResult GetVersion(int* version) override {
    return FromNccl(ncclGetVersion(version));
  }

  NcclResult GetUniqueId(NcclUniqueId* id) override {
    ncclUniqueId nccl_id;
    const ncclResult_t result = ncclGetUniqueId(&nccl_id);
    std::memcpy(id->bytes, nccl_id.internal, sizeof(id->bytes));
    return FromNccl(result);
  }

  std::string GetErrorString(NcclResult result) override {
    return ncclGetErrorString(static_cast<ncclResult_t>(result));
  }

  std::string GetLastError(NcclComm comm) override {
    const char* const text = ncclGetLastError(ToNccl(comm));
    return text == nullptr ? "" : text;
  }

  NcclResult CommInitRankConfig(NcclComm* comm, int num_ranks,
                                const NcclUniqueId& id, int rank) override {
    ncclUniqueId nccl_id;
    std::memcpy(nccl_id.internal, id.bytes, sizeof(id.bytes));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t made = nullptr;
    const ncclResult_t result =
        ncclCommInitRankConfig(&made, num_ranks, nccl_id, rank, &config);
    *comm = reinterpret_cast<NcclComm>(made);
    return FromNccl(result);
  }

  NcclResult CommGetAsyncError(NcclComm comm, NcclResult* result) override {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(ToNccl(comm), &state);
    *result = FromNccl(state);
    return FromNccl(asked);
  }

  NcclResult CommFinalize(NcclComm comm) override {
    return FromNccl(ncclCommFinalize(ToNccl(comm)));
  }
  NcclResult CommDestroy(NcclComm comm) override {
    return FromNccl(ncclCommDestroy(ToNccl(comm)));
  }
  NcclResult CommAbort(NcclComm comm) override {
    return FromNccl(ncclCommAbort(ToNccl(comm)));
  }

  NcclResult GroupStart() override { return FromNccl(ncclGroupStart()); }
  NcclResult GroupEnd() override { return FromNccl(ncclGroupEnd()); }

  NcclResult Send(const void* from, size_t count, NcclDataType type, int peer,
                  NcclComm comm, CudaStream stream) override {
    return FromNccl(ncclSend(from, count, ToNccl(type), peer, ToNccl(comm),
                             ToCuda(stream)));
  }
  NcclResult Recv(void* to, size_t count, NcclDataType type, int peer,
                  NcclComm comm, CudaStream stream) override {
    return FromNccl(
        ncclRecv(to, count, ToNccl(type), peer, ToNccl(comm), ToCuda(stream)));
  }
  NcclResult AllReduce(const void* from, void* to, size_t count,
                       NcclDataType type, NcclComm comm,
                       CudaStream stream) override {
    return FromNccl(ncclAllReduce(from, to, count, ToNccl(type), ncclSum,
                                  ToNccl(comm), ToCuda(stream)));
  }
  NcclResult AllGather(const void* from, void* to, size_t count,
                       NcclDataType type, NcclComm comm,
                       CudaStream stream) override {
    return FromNccl(ncclAllGather(from, to, count, ToNccl(type), ToNccl(comm),
                                  ToCuda(stream)));
  }
  NcclResult Broadcast(const void* from, void* to, size_t count,
                       NcclDataType type, int root, NcclComm comm,
                       CudaStream stream) override {
    return FromNccl(ncclBroadcast(from, to, count, ToNccl(type), root,
                                  ToNccl(comm), ToCuda(stream)));
  }

  absl::Status SetDevice(int device) override {
    return FromCuda(cudaSetDevice(device), "cudaSetDevice");
  }

  absl::StatusOr<std::string> DeviceUuid(int device) override {
    cudaDeviceProp properties;
    EPLB_RETURN_IF_ERROR(FromCuda(cudaGetDeviceProperties(&properties, device),
                                  "cudaGetDeviceProperties"));
    return absl::StrCat(
        "GPU-", absl::BytesToHexString(absl::string_view(
                    properties.uuid.bytes, sizeof(properties.uuid.bytes))));
  }

  absl::StatusOr<CudaStream> StreamCreate() override {
    cudaStream_t stream = nullptr;
    // No order with the default stream, which others fill.
    EPLB_RETURN_IF_ERROR(
        FromCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                 "cudaStreamCreateWithFlags"));
    return reinterpret_cast<CudaStream>(stream);
  }
  absl::Status StreamDestroy(CudaStream stream) override {
    return FromCuda(cudaStreamDestroy(ToCuda(stream)), "cudaStreamDestroy");
  }
  absl::StatusOr<bool> StreamQuery(CudaStream stream) override {
    const cudaError_t error = cudaStreamQuery(ToCuda(stream));
    if (error == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    EPLB_RETURN_IF_ERROR(FromCuda(error, "cudaStreamQuery"));
    return true;
  }

  absl::Status MemcpyAsync(void* to, const void* from, size_t num_bytes,
                           CudaStream stream) override {
    return FromCuda(
        cudaMemcpyAsync(to, from, num_bytes, cudaMemcpyDefault, ToCuda(stream)),
        "cudaMemcpyAsync");
  }

  absl::StatusOr<void*> HostAlloc(size_t num_bytes) override {
    void* memory = nullptr;
    EPLB_RETURN_IF_ERROR(
        FromCuda(cudaHostAlloc(&memory, num_bytes, cudaHostAllocDefault),
                 "cudaHostAlloc"));
    return memory;
  }
  absl::Status HostFree(void* memory) override {
    return FromCuda(cudaFreeHost(memory), "cudaFreeHost");
  }
};

}  // namespace

std::shared_ptr<NcclApi> RealNcclApi() { return std::make_shared<Real>(); }

}  // namespace eplb
