// StallHistogram: how long the serving thread was held up, step by step.

#ifndef EPLB_STATE_BACKGROUND_STALL_HISTOGRAM_H_
#define EPLB_STATE_BACKGROUND_STALL_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace eplb {

// Written by one thread, read by any.
class StallHistogram {
 public:
  // Bucket i counts what took less than 10^i us; the last one the rest.
  static constexpr int kNumBuckets = 8;

  struct Counts {
    std::array<int64_t, kNumBuckets> buckets = {};
    std::chrono::nanoseconds total{0};
    std::chrono::nanoseconds longest{0};
  };

  void Add(std::chrono::nanoseconds stall) {
    size_t bucket = 0;
    int64_t bound = 1000;
    while (bucket + 1 < kNumBuckets && stall.count() >= bound) {
      ++bucket;
      bound *= 10;
    }
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    total_.fetch_add(stall.count(), std::memory_order_relaxed);
    if (stall.count() > longest_.load(std::memory_order_relaxed)) {
      longest_.store(stall.count(), std::memory_order_relaxed);
    }
  }

  Counts counts() const {
    Counts counts;
    for (size_t i = 0; i < kNumBuckets; ++i) {
      counts.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    }
    counts.total = std::chrono::nanoseconds(total_.load());
    counts.longest = std::chrono::nanoseconds(longest_.load());
    return counts;
  }

 private:
  std::array<std::atomic<int64_t>, kNumBuckets> buckets_ = {};
  std::atomic<int64_t> total_ = 0;
  std::atomic<int64_t> longest_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_STALL_HISTOGRAM_H_
