// StopSignal: Ctrl-C and SIGTERM as a wish that the work looks at when it can.
//
//   const StopSignal stop;
//   while (!stop.requested()) Work();

#ifndef EPLB_TOOLS_RUN_STOP_SIGNAL_H_
#define EPLB_TOOLS_RUN_STOP_SIGNAL_H_

#include <signal.h>

namespace eplb {

// While it lives, the first SIGINT or SIGTERM of the process is kept here; a
// second one ends the process as it always does. One at a time.
class StopSignal {
 public:
  StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  ~StopSignal();

  // Thread-safe.
  bool requested() const;

 private:
  struct sigaction old_interrupt_;
  struct sigaction old_terminate_;
};

// While it lives, SIGINT and SIGTERM do not reach this thread: they come in
// when it goes.
class HeldStopSignals {
 public:
  HeldStopSignals();
  HeldStopSignals(const HeldStopSignals&) = delete;
  HeldStopSignals& operator=(const HeldStopSignals&) = delete;
  ~HeldStopSignals();

 private:
  sigset_t old_mask_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_STOP_SIGNAL_H_
