#include "tools/run/run_threads.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/status_macros.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"

namespace eplb {
namespace {

// Of several errors the first.
class FirstError {
 public:
  void Update(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
  }
  absl::Status status() const {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<RunResult> RunThreads(const RankJob& job) {
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<InProcessGroup> group,
                        InProcessGroup::Create(job.num_ranks, *job.clock));
  FirstError first_error;
  RunResult result;
  const auto run_rank = [&](int rank) {
    const std::unique_ptr<CommunicatorFactory> factory =
        group->FactoryOfRank(rank);
    RankJob mine = job;
    mine.rank = rank;
    mine.factory = factory.get();
    if (rank > 0) mine.output = nullptr;
    absl::StatusOr<RunResult> of_rank = RunRank(mine);
    first_error.Update(of_rank.status());
    if (rank == 0 && of_rank.ok()) result = *std::move(of_rank);
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < job.num_ranks; ++rank) {
    threads.emplace_back(run_rank, rank);
  }
  for (std::thread& thread : threads) thread.join();
  EPLB_RETURN_IF_ERROR(first_error.status());
  return result;
}

}  // namespace eplb
