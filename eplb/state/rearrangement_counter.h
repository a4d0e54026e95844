// RearrangementCounter: when the next rearrangement is due.
//
//   RearrangementCounter counter(/*interval=*/3000);
//   if (counter.Advance()) Rearrange();  // After 750 steps, then every 3000.

#ifndef EPLB_STATE_REARRANGEMENT_COUNTER_H_
#define EPLB_STATE_REARRANGEMENT_COUNTER_H_

#include <algorithm>
#include <cstdint>

namespace eplb {

// Thread-compatible.
class RearrangementCounter {
 public:
  // `interval` is at least 1.
  explicit RearrangementCounter(int64_t interval) : interval_(interval) {
    Restart();
  }

  // As for a model that was just added: the first rearrangement comes after a
  // quarter of the interval, since loads are most uneven before it.
  void Restart() { count_ = std::max<int64_t>(0, interval_ - interval_ / 4); }

  // As after a rearrangement.
  void Reset() { count_ = 0; }

  // Counts a step. Whether a rearrangement is due; then it counts from 0.
  bool Advance() {
    if (++count_ < interval_) return false;
    count_ = 0;
    return true;
  }

  // As another rank counts; `count` is below the interval.
  void Set(int64_t count) { count_ = count; }

  int64_t count() const { return count_; }
  int64_t steps_until_due() const { return interval_ - count_; }

 private:
  int64_t interval_;
  int64_t count_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_REARRANGEMENT_COUNTER_H_
