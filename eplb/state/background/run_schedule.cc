#include "eplb/state/background/run_schedule.h"

#include <algorithm>
#include <cstdint>

namespace eplb {

bool RunSchedule::BeginsAt(int64_t step, bool at_interval) {
  if (at_interval) last_interval_ = step;
  if (is_busy_ || last_interval_ <= last_begin_) return false;
  overdue_steps_ = step - last_interval_;
  last_begin_ = step;
  is_busy_ = true;
  return true;
}

int64_t RunSchedule::BeginClosing() {
  is_busy_ = true;
  return ++last_closing_;
}

void RunSchedule::End(int64_t number, int64_t last_begin) {
  if (number != last_closing_) return;
  last_begin_ = std::max(last_begin_, last_begin);
  is_busy_ = false;
}

void RunSchedule::Drained(int64_t step, bool is_closing) {
  last_begin_ = std::max(last_begin_, step);
  is_busy_ = is_closing;
}

}  // namespace eplb
