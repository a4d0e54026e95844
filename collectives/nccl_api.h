// NcclApi: the functions of NCCL and of the CUDA runtime that the nccl backend
// calls, as a table, so that it also runs on testing/fake_nccl.h where there is
// neither a toolkit nor a device.
//
//   const std::shared_ptr<NcclApi> api = RealNcclApi();  // nccl_api_real.h
//   NcclComm comm = nullptr;
//   NcclResult result = api->CommInitRankConfig(&comm, 8, id, rank);
//   while (result == NcclResult::kInProgress) {
//     ... wait ...
//     api->CommGetAsyncError(comm, &result);
//   }
//
// Names, arguments and results are those of NCCL; the rules are NCCL's too.
// Functions of the CUDA runtime return statuses.

#ifndef EPLB_COLLECTIVES_NCCL_API_H_
#define EPLB_COLLECTIVES_NCCL_API_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eplb {

// The numbers are NCCL's.
enum class NcclResult : int {
  kSuccess = 0,
  kUnhandledCudaError = 1,
  kSystemError = 2,
  kInternalError = 3,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kRemoteError = 6,
  kInProgress = 7,
};

enum class NcclDataType { kUint8, kInt64 };

struct NcclUniqueId {
  char bytes[128] = {};
};

// Handles. What they point to is the implementation's own.
using NcclComm = struct NcclCommHandle*;
using CudaStream = struct CudaStreamHandle*;

// Functions that take a communicator are called by one thread at a time; the
// backend calls all of them on the thread that made it.
class NcclApi {
 public:
  virtual ~NcclApi() = default;

  // As in 22809 for 2.28.9.
  virtual NcclResult GetVersion(int* version) = 0;
  virtual NcclResult GetUniqueId(NcclUniqueId* id) = 0;
  virtual std::string GetErrorString(NcclResult result) = 0;
  // `comm` may be null.
  virtual std::string GetLastError(NcclComm comm) = 0;

  // With blocking=0: this and every function below that takes a communicator
  // may return kInProgress, and CommGetAsyncError then tells when it is done.
  virtual NcclResult CommInitRankConfig(NcclComm* comm, int num_ranks,
                                        const NcclUniqueId& id, int rank) = 0;
  virtual NcclResult CommGetAsyncError(NcclComm comm, NcclResult* result) = 0;
  virtual NcclResult CommFinalize(NcclComm comm) = 0;
  virtual NcclResult CommDestroy(NcclComm comm) = 0;
  virtual NcclResult CommAbort(NcclComm comm) = 0;

  virtual NcclResult GroupStart() = 0;
  virtual NcclResult GroupEnd() = 0;

  // In units of the type.
  virtual NcclResult Send(const void* from, size_t count, NcclDataType type,
                          int peer, NcclComm comm, CudaStream stream) = 0;
  virtual NcclResult Recv(void* to, size_t count, NcclDataType type, int peer,
                          NcclComm comm, CudaStream stream) = 0;
  // The sum.
  virtual NcclResult AllReduce(const void* from, void* to, size_t count,
                               NcclDataType type, NcclComm comm,
                               CudaStream stream) = 0;
  virtual NcclResult AllGather(const void* from, void* to, size_t count,
                               NcclDataType type, NcclComm comm,
                               CudaStream stream) = 0;
  virtual NcclResult Broadcast(const void* from, void* to, size_t count,
                               NcclDataType type, int root, NcclComm comm,
                               CudaStream stream) = 0;

  // Of the calling thread.
  virtual absl::Status SetDevice(int device) = 0;
  // A name of the device that no other device of any machine has.
  virtual absl::StatusOr<std::string> DeviceUuid(int device) = 0;
  virtual absl::StatusOr<CudaStream> StreamCreate() = 0;
  virtual absl::Status StreamDestroy(CudaStream stream) = 0;
  // Whether all work in the stream is done.
  virtual absl::StatusOr<bool> StreamQuery(CudaStream stream) = 0;
  virtual absl::Status MemcpyAsync(void* to, const void* from, size_t num_bytes,
                                   CudaStream stream) = 0;
  // Pinned host memory.
  virtual absl::StatusOr<void*> HostAlloc(size_t num_bytes) = 0;
  virtual absl::Status HostFree(void* memory) = 0;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_NCCL_API_H_
