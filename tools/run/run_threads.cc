#include "tools/run/run_threads.h"

#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/status_macros.h"
#include "tools/run/failure_cause.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"

namespace eplb {
namespace {

// What the ranks bring back. Thread-safe.
class Outcome {
 public:
  void Add(int rank, absl::StatusOr<std::optional<RunResult>> of_rank) {
    absl::MutexLock lock(&mutex_);
    cause_.Update(of_rank.status());
    if (rank == 0 && of_rank.ok()) result_ = *std::move(of_rank);
  }
  absl::StatusOr<std::optional<RunResult>> Take() {
    absl::MutexLock lock(&mutex_);
    EPLB_RETURN_IF_ERROR(cause_.status());
    return std::move(result_);
  }

 private:
  absl::Mutex mutex_;
  FailureCause cause_ ABSL_GUARDED_BY(mutex_);
  std::optional<RunResult> result_ ABSL_GUARDED_BY(mutex_);
};

// No exception may leave a thread.
absl::StatusOr<std::optional<RunResult>> RunRankWithinMachine(
    const RankJob& job) {
  try {
    return RunRank(job);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("rank ", job.rank, ": not enough memory"));
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "rank ", job.rank, ": cannot start a thread: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<std::optional<RunResult>> RunThreads(const RankJob& job) {
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<InProcessGroup> group,
                        InProcessGroup::Create(job.num_ranks, *job.clock));
  Outcome outcome;
  // Nobody is to wait for a rank whose thread cannot be had.
  absl::Notification decided;
  absl::Status started;
  const auto run_rank = [&](int rank) {
    decided.WaitForNotification();
    if (!started.ok()) return;
    const std::unique_ptr<CommunicatorFactory> factory =
        group->FactoryOfRank(rank);
    RankJob mine = job;
    mine.rank = rank;
    mine.factory = factory.get();
    if (rank > 0) mine.output = nullptr;
    outcome.Add(rank, RunRankWithinMachine(mine));
  };
  std::vector<std::thread> threads;
  try {
    for (int rank = 0; rank < job.num_ranks; ++rank) {
      threads.emplace_back(run_rank, rank);
    }
  } catch (const std::system_error& error) {
    started = absl::ResourceExhaustedError(
        absl::StrCat("--ranks=", job.num_ranks, ": this machine gives ",
                     threads.size(), " threads: ", error.what()));
  }
  decided.Notify();
  for (std::thread& thread : threads) thread.join();
  EPLB_RETURN_IF_ERROR(started);
  return outcome.Take();
}

}  // namespace eplb
