// FakeNccl: NCCL and the CUDA runtime for the ranks of one process, over host
// memory that stands for the memory of devices. It follows a script, and holds
// its user to NCCL's rules.
//
//   const auto nccl = std::make_shared<FakeNccl>();
//   nccl->FailOperation(/*rank=*/1, /*operation=*/3, NcclResult::kRemoteError,
//                       "the peer is gone");
//   ... run ranks, each over `nccl` and on a device of its own ...
//   EXPECT_THAT(nccl->Violations(), testing::IsEmpty());
//   EXPECT_EQ(nccl->Leftovers(), "");
//
// Rules, each of which is a violation when it is not kept: a communicator is
// used by the thread that made it; not while it initialises or is busy with an
// earlier call; not after abort, destroy or finalize; after a fault there is
// nothing but abort; groups are begun and ended; the collectives of all ranks
// have the same kind, count, type and root; a message has the same count and
// type on both sides; a communicator is finalized when its work is done. After
// ServeOnly, also: buffers lie where a device reaches them.
//
// Work in a stream runs in order, and an operation runs when all ranks have
// come to it, as a real one does: ranks that wait for each other wait for ever.

#ifndef EPLB_TESTING_FAKE_NCCL_H_
#define EPLB_TESTING_FAKE_NCCL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "collectives/nccl_api.h"
#include "testing/fake_device_memory.h"
#include "testing/fake_nccl_work.h"

namespace eplb {

// Thread-safe. Outlives all that is done with it, blocked aborts included.
class FakeNccl final : public NcclApi {
 public:
  FakeNccl();
  ~FakeNccl() override;

  // The script. Ranks are those of a communicator; devices those of SetDevice.

  void SetVersion(int version);
  // Every call that NCCL may end later stays in progress for `polls` questions.
  void StayInProgress(int polls);
  // The operation, counted from 0 (a group is one), ends with an error that
  // CommGetAsyncError reports. Nothing of it is carried out.
  void FailOperation(int rank, int operation, NcclResult error,
                     absl::string_view last_error);
  void FailInitialization(int rank, NcclResult error,
                          absl::string_view last_error);
  // Work put into the streams of the device does not begin; where
  // `abort_ends_it`, until the communicator is aborted.
  void StallStreams(int device, bool abort_ends_it);
  // From here on a buffer lies in `memory`, or is pinned.
  void ServeOnly(std::shared_ptr<const FakeDeviceMemory> memory);
  // CommAbort of the rank does not return before UnblockAborts.
  void BlockAbort(int rank);
  void UnblockAborts();
  void WaitForBlockedAborts(int count);
  // CommFinalize of the rank stays in progress.
  void NeverFinalize(int rank);

  // What happened.

  std::vector<std::string> Violations() const;
  // Groups, communicators, streams and memory not given back; else empty.
  std::string Leftovers() const;
  int largest_group() const;
  // Questions whether something is done, so far.
  int64_t num_polls() const;
  int num_aborts() const;
  int num_destroys() const;

  NcclResult GetVersion(int* version) override;
  NcclResult GetUniqueId(NcclUniqueId* id) override;
  std::string GetErrorString(NcclResult result) override;
  std::string GetLastError(NcclComm comm) override;
  NcclResult CommInitRankConfig(NcclComm* comm, int num_ranks,
                                const NcclUniqueId& id, int rank) override;
  NcclResult CommGetAsyncError(NcclComm comm, NcclResult* result) override;
  NcclResult CommFinalize(NcclComm comm) override;
  NcclResult CommDestroy(NcclComm comm) override;
  NcclResult CommAbort(NcclComm comm) override;
  NcclResult GroupStart() override;
  NcclResult GroupEnd() override;
  NcclResult Send(const void* from, size_t count, NcclDataType type, int peer,
                  NcclComm comm, CudaStream stream) override;
  NcclResult Recv(void* to, size_t count, NcclDataType type, int peer,
                  NcclComm comm, CudaStream stream) override;
  NcclResult AllReduce(const void* from, void* to, size_t count,
                       NcclDataType type, NcclComm comm,
                       CudaStream stream) override;
  NcclResult AllGather(const void* from, void* to, size_t count,
                       NcclDataType type, NcclComm comm,
                       CudaStream stream) override;
  NcclResult Broadcast(const void* from, void* to, size_t count,
                       NcclDataType type, int root, NcclComm comm,
                       CudaStream stream) override;
  absl::Status SetDevice(int device) override;
  absl::StatusOr<std::string> DeviceUuid(int device) override;
  absl::StatusOr<CudaStream> StreamCreate() override;
  absl::Status StreamDestroy(CudaStream stream) override;
  absl::StatusOr<bool> StreamQuery(CudaStream stream) override;
  absl::Status MemcpyAsync(void* to, const void* from, size_t num_bytes,
                           CudaStream stream) override;
  absl::StatusOr<void*> HostAlloc(size_t num_bytes) override;
  absl::Status HostFree(void* memory) override;

 private:
  struct Comm;
  struct Fault {
    NcclResult error;
    std::string text;
  };
  // What a thread has begun and not ended.
  struct Group {
    int depth = 0;
    std::vector<FakeNcclOperation> operations;
    Comm* comm = nullptr;
    CudaStream stream = nullptr;
  };

  NcclResult Violation(absl::string_view text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether `comm` may be used by `call`; a violation otherwise.
  bool MayUse(const Comm& comm, absl::string_view call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsReady(const Comm& comm, absl::string_view call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  NcclResult Add(absl::string_view call, const FakeNcclOperation& operation,
                 NcclComm comm, CudaStream stream) ABSL_LOCKS_EXCLUDED(mutex_);
  NcclResult Submit(Comm& comm, std::vector<FakeNcclOperation> operations,
                    CudaStream stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsServed(const void* data, size_t num_bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  NcclResult InProgress(Comm& comm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  NcclResult StateOf(Comm& comm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  int version_ ABSL_GUARDED_BY(mutex_) = 22809;
  int polls_in_progress_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<int, int>, Fault> operation_faults_
      ABSL_GUARDED_BY(mutex_);
  std::map<int, Fault> initialization_faults_ ABSL_GUARDED_BY(mutex_);
  std::set<int> blocked_aborts_ ABSL_GUARDED_BY(mutex_);
  std::set<int> never_finalized_ ABSL_GUARDED_BY(mutex_);
  int num_blocked_aborts_ ABSL_GUARDED_BY(mutex_) = 0;

  int num_ids_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Comm>> comms_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<FakeNcclClique>> cliques_
      ABSL_GUARDED_BY(mutex_);
  FakeCudaStreams streams_ ABSL_GUARDED_BY(mutex_);
  std::map<std::thread::id, Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::map<std::thread::id, int> devices_ ABSL_GUARDED_BY(mutex_);
  // Null: all memory counts as a device's.
  std::shared_ptr<const FakeDeviceMemory> device_memory_
      ABSL_GUARDED_BY(mutex_);
  FakeDeviceMemory pinned_memory_;
  std::map<void*, std::shared_ptr<void>> pinned_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ ABSL_GUARDED_BY(mutex_);
  int64_t num_polls_ ABSL_GUARDED_BY(mutex_) = 0;
  int largest_group_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_aborts_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_destroys_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAKE_NCCL_H_
