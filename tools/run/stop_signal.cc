#include "tools/run/stop_signal.h"

#include <signal.h>

#include <atomic>

namespace eplb {
namespace {

// A handler of signals gets no argument to carry it.
std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void RequestStop(int /*signal_number*/) { stop_requested = true; }

}  // namespace

StopSignal::StopSignal() {
  stop_requested = false;
  struct sigaction action = {};
  action.sa_handler = RequestStop;
  // The next one finds the default again. Calls of the system are not
  // restarted, so that whoever polls wakes up.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

StopSignal::~StopSignal() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

bool StopSignal::requested() const { return stop_requested; }

HeldStopSignals::HeldStopSignals() {
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGINT);
  sigaddset(&stop_signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop_signals, &old_mask_);
}

HeldStopSignals::~HeldStopSignals() {
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

}  // namespace eplb
