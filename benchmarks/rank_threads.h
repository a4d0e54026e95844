// RankThreads: threads, one per rank, that begin each task together.
//
//   RankThreads threads(8);
//   const double seconds = threads.Run([&](int rank) { ... });

#ifndef EPLB_BENCHMARKS_RANK_THREADS_H_
#define EPLB_BENCHMARKS_RANK_THREADS_H_

#include <barrier>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "eplb/core/clock.h"

namespace eplb {

// Thread-compatible.
class RankThreads {
 public:
  using Task = std::function<void(int rank)>;

  explicit RankThreads(int num_ranks)
      : begin_(num_ranks + 1), end_(num_ranks + 1) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      threads_.emplace_back([this, rank] {
        while (true) {
          begin_.arrive_and_wait();
          if (task_ == nullptr) return;
          task_(rank);
          end_.arrive_and_wait();
        }
      });
    }
  }

  ~RankThreads() {
    task_ = nullptr;
    begin_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }

  int size() const { return static_cast<int>(threads_.size()); }

  // Seconds until all ranks have run `task`.
  double Run(Task task) {
    task_ = std::move(task);
    const SteadyTime start = SystemClock().Now();
    begin_.arrive_and_wait();
    end_.arrive_and_wait();
    return std::chrono::duration<double>(SystemClock().Now() - start).count();
  }

 private:
  std::barrier<> begin_;
  std::barrier<> end_;
  Task task_;
  std::vector<std::thread> threads_;
};

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_RANK_THREADS_H_
