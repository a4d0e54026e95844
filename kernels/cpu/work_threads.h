// WorkThreads: a few threads that share the pieces of a large copy.
//
//   WorkThreads threads(/*num_threads=*/4);
//   threads.Run(pieces.size(), [&](size_t piece) { Copy(pieces[piece]); });

#ifndef EPLB_KERNELS_CPU_WORK_THREADS_H_
#define EPLB_KERNELS_CPU_WORK_THREADS_H_

#include <atomic>
#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

// Thread-safe. The threads are started by the first Run, and end with the
// object.
class WorkThreads {
 public:
  // `num_threads` counts the caller of Run; at least 1.
  explicit WorkThreads(int num_threads) : num_threads_(num_threads) {}
  ~WorkThreads();
  WorkThreads(const WorkThreads&) = delete;
  WorkThreads& operator=(const WorkThreads&) = delete;

  int num_threads() const { return num_threads_; }

  // Calls `work` once for each of [0, num_pieces), on the calling thread and
  // whichever others are free; returns when all calls have. Never waits for a
  // thread that works for somebody else.
  void Run(size_t num_pieces, absl::FunctionRef<void(size_t piece)> work);

 private:
  // One call of Run, on its stack.
  struct Job {
    absl::FunctionRef<void(size_t)> work;
    size_t num_pieces;
    std::atomic<size_t> next_piece = 0;
    // Threads besides the caller that are at it; guarded by `mutex_`.
    int num_helpers = 0;
  };

  static void WorkOn(Job& job);
  void StartThreads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Help();
  // Takes a job whose pieces are all taken from the list.
  void Close(Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int num_threads_;
  absl::Mutex mutex_;
  absl::CondVar job_came_;
  absl::CondVar helper_left_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Job*> jobs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_WORK_THREADS_H_
