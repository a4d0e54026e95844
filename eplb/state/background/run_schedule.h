// RunSchedule: at which steps background runs begin, by a rule under which all
// ranks begin the same ones without a word in Step.
//
// An interval that comes while a run is busy begins nothing; then the next run
// begins when this one has ended. Ranks see a run end at the same step, which
// they agree on (its closing), and are at the same intervals; and a closing
// also agrees on the step at which the last run began, for ranks that have
// lost each other in between.

#ifndef EPLB_STATE_BACKGROUND_RUN_SCHEDULE_H_
#define EPLB_STATE_BACKGROUND_RUN_SCHEDULE_H_

#include <cstdint>

namespace eplb {

// Thread-compatible.
class RunSchedule {
 public:
  // Whether a run begins at `step`; called for every step, in order. If so the
  // schedule is busy until the closing that ends the run.
  bool BeginsAt(int64_t step, bool at_interval);

  // Steps between the interval and the begin of the last run that began: more
  // than 0 when another run was busy at the interval.
  int64_t overdue_steps() const { return overdue_steps_; }

  bool is_busy() const { return is_busy_; }
  // The step at which the last run began; -1 for none.
  int64_t last_begin() const { return last_begin_; }

  // A closing is being agreed on: nothing begins before it. Returns its number.
  int64_t BeginClosing();

  // The step has come at which closing `number` ends the run; on some rank a
  // run has begun as late as `last_begin`. Nothing where another closing has
  // been begun since.
  void End(int64_t number, int64_t last_begin);

  // All ranks have dropped everything at `step`; the next interval begins the
  // next run, but not before the end of a closing that has been agreed on since
  // (`is_closing`).
  void Drained(int64_t step, bool is_closing);

 private:
  bool is_busy_ = false;
  int64_t last_closing_ = 0;
  int64_t last_interval_ = -1;
  int64_t last_begin_ = -1;
  int64_t overdue_steps_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_RUN_SCHEDULE_H_
