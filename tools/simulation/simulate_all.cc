#include "tools/simulation/simulate_all.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eplb/load/recorded_loads.h"
#include "tools/simulation/simulation.h"

namespace eplb {
namespace {

// Adds up what the threads have replayed. Thread-safe.
class StepCount {
 public:
  StepCount(int64_t all_steps, const SimulateAllOptions& options)
      : all_steps_(all_steps), options_(options) {}

  void Add(int64_t steps) {
    const absl::MutexLock lock(&mutex_);
    steps_ += steps;
    if (options_.progress) options_.progress(steps_, all_steps_);
  }

 private:
  const int64_t all_steps_;
  const SimulateAllOptions& options_;
  absl::Mutex mutex_;
  int64_t steps_ ABSL_GUARDED_BY(mutex_) = 0;
};

// No exception may leave a thread.
absl::StatusOr<Simulation> SimulateWithinMemory(
    const RecordedLoads& trace, const SimulationOptions& options,
    const SimulationProgress& progress) {
  try {
    return Simulate(trace, options, progress);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory");
  }
}

}  // namespace

absl::StatusOr<std::vector<Simulation>> SimulateAll(
    const RecordedLoads& trace,
    absl::Span<const SimulationOptions> combinations,
    const SimulateAllOptions& options) {
  StepCount count(trace.num_steps() * static_cast<int64_t>(combinations.size()),
                  options);
  std::vector<absl::StatusOr<Simulation>> results(
      combinations.size(), absl::UnknownError("not simulated"));
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < combinations.size(); i = next++) {
      results[i] = SimulateWithinMemory(
          trace, combinations[i], [&](int64_t steps) { count.Add(steps); });
    }
  };
  std::vector<std::thread> threads;
  const size_t num_threads =
      std::min<size_t>(combinations.size(), std::max(options.num_threads, 1));
  try {
    for (size_t i = 1; i < num_threads; ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // The machine gives no more; those that are there do the work.
  }
  work();
  for (std::thread& thread : threads) thread.join();

  std::vector<Simulation> simulations;
  for (absl::StatusOr<Simulation>& result : results) {
    if (!result.ok()) return result.status();
    simulations.push_back(*std::move(result));
  }
  return simulations;
}

}  // namespace eplb
