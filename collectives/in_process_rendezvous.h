// InProcessRendezvous: where the ranks of a process find each other to open an
// epoch. Behind the factories of collectives/in_process.h.

#ifndef EPLB_COLLECTIVES_IN_PROCESS_RENDEZVOUS_H_
#define EPLB_COLLECTIVES_IN_PROCESS_RENDEZVOUS_H_

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process_channel.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe.
class InProcessRendezvous {
 public:
  InProcessRendezvous(int num_ranks, Clock& clock);

  int num_ranks() const { return static_cast<int>(last_epochs_.size()); }

  // CommunicatorFactory::Connect for `rank` of the job.
  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      int rank, uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline);

 private:
  // The ranks that are connecting as one group.
  struct Meeting {
    uint64_t epoch = 0;
    std::vector<int> members;
    std::vector<bool> has_arrived;  // Per member.
    int num_arrived = 0;
    // Set when all have arrived, or something is wrong.
    std::shared_ptr<InProcessChannel> channel;
    absl::Status failure;
    absl::CondVar changed;

    bool is_open() const { return channel == nullptr && failure.ok(); }
    int PositionOf(int rank) const;  // -1 for a rank that is no member.
  };

  void LeaveEarlierEpochs(int rank, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<Meeting>> FindOrOpen(
      int rank, uint64_t epoch, absl::Span<const int> members)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckNobodyHasLeft(int rank, const Meeting& meeting)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Arrive(Meeting& meeting, int position, SteadyTime deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Close(Meeting& meeting, absl::Status failure)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  absl::Mutex mutex_;
  std::vector<uint64_t> last_epochs_ ABSL_GUARDED_BY(mutex_);  // 0: none yet.
  std::list<std::shared_ptr<Meeting>> open_meetings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_IN_PROCESS_RENDEZVOUS_H_
