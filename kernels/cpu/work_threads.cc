#include "kernels/cpu/work_threads.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

WorkThreads::~WorkThreads() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
    threads = std::move(threads_);
    job_came_.SignalAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkThreads::Run(size_t num_pieces,
                      absl::FunctionRef<void(size_t piece)> work) {
  Job job{work, num_pieces};
  if (num_threads_ <= 1 || num_pieces <= 1) {
    WorkOn(job);
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    StartThreads();
    jobs_.push_back(&job);
    job_came_.SignalAll();
  }
  WorkOn(job);
  absl::MutexLock lock(&mutex_);
  Close(job);
  // Without a deadline: each helper has one piece to finish, which nothing but
  // its own work can delay.
  while (job.num_helpers > 0) helper_left_.Wait(&mutex_);
}

void WorkThreads::WorkOn(Job& job) {
  while (true) {
    const size_t piece = job.next_piece.fetch_add(1, std::memory_order_relaxed);
    if (piece >= job.num_pieces) return;
    job.work(piece);
  }
}

void WorkThreads::StartThreads() {
  if (!threads_.empty()) return;
  for (int i = 1; i < num_threads_; ++i) {
    try {
      threads_.emplace_back([this] { Help(); });
    } catch (const std::system_error&) {
      // The machine has no more threads to give: those that are there do all.
      return;
    }
  }
}

void WorkThreads::Help() {
  absl::MutexLock lock(&mutex_);
  while (true) {
    while (!is_stopping_ && jobs_.empty()) job_came_.Wait(&mutex_);
    if (is_stopping_) return;
    Job& job = *jobs_.front();
    ++job.num_helpers;
    mutex_.Unlock();
    WorkOn(job);
    mutex_.Lock();
    Close(job);
    if (--job.num_helpers == 0) helper_left_.SignalAll();
  }
}

void WorkThreads::Close(Job& job) {
  const auto found = std::find(jobs_.begin(), jobs_.end(), &job);
  if (found != jobs_.end()) jobs_.erase(found);
}

}  // namespace eplb
