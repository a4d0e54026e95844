// SeededScheduler: threads that run one at a time, in an order drawn from a
// seed, on a clock that moves only between them. A test that runs production
// code under thousands of seeds sees thousands of interleavings, and each
// failure comes back with its seed.
//
//   SeededScheduler scheduler(seed);
//   scheduler.Spawn("worker", [&] { worker.Run(); });
//   scheduler.Spawn("serving", [&] {
//     for (int step = 0; step < 20; ++step) {
//       scheduler.Yield();
//       state.Step(step);
//     }
//   });
//   scheduler.Run();
//
// The order is drawn anew at every Yield and at every wait on the clock. A
// thread holds no mutex at a Yield, and on the clock only the one it waits
// with; so no thread ever blocks on another in a way the scheduler cannot see.

#ifndef EPLB_TESTING_SEEDED_SCHEDULER_H_
#define EPLB_TESTING_SEEDED_SCHEDULER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "testing/deterministic_random.h"

namespace eplb {

// Everything but Run is called by the spawned threads, or before Run.
class SeededScheduler {
 public:
  explicit SeededScheduler(uint64_t seed);
  ~SeededScheduler();
  SeededScheduler(const SeededScheduler&) = delete;
  SeededScheduler& operator=(const SeededScheduler&) = delete;

  // A thread may spawn others; they take part from the next choice on.
  void Spawn(std::string name, std::function<void()> body);

  // Returns when every thread has returned. Ends the process, naming the
  // threads that are left and the seed, when after `max_choices` they still go
  // round, though every deadline has passed.
  void Run(int64_t max_choices = 1'000'000);

  // Lets another thread go on, or this one.
  void Yield();

  // Waits until `ready`, which is asked at every turn of this thread, or the
  // deadline; returns the last answer.
  bool WaitFor(const std::function<bool()>& ready, SteadyTime deadline);

  // Stands still while a thread runs. The longer the threads do nothing but
  // wait, the faster it goes.
  Clock& clock() { return clock_; }

  // For the choices of tests.
  DeterministicRandom& random() { return random_; }

  // Turns taken so far.
  int64_t num_choices() const { return num_choices_; }

 private:
  class SteppedClock final : public Clock {
   public:
    explicit SteppedClock(SeededScheduler& scheduler) : scheduler_(scheduler) {}
    SteadyTime Now() const override { return scheduler_.now_; }
    bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                   SteadyTime deadline) override
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

   private:
    SeededScheduler& scheduler_;
  };

  // Given by one thread and taken by another. Who waits sleeps at once: a
  // semaphore of the standard library yields first, which costs a time slice
  // per turn where other work waits for the cores.
  class Turn {
   public:
    void Give() {
      absl::MutexLock lock(&mutex_);
      is_given_ = true;
      given_.Signal();
    }
    void Take() {
      absl::MutexLock lock(&mutex_);
      while (!is_given_) given_.Wait(&mutex_);
      is_given_ = false;
    }

   private:
    absl::Mutex mutex_;
    absl::CondVar given_;
    bool is_given_ ABSL_GUARDED_BY(mutex_) = false;
  };

  struct Thread {
    std::string name;
    Turn turn;
    bool is_done = false;
    std::thread thread;
  };

  // Gives the turn to a thread drawn from those that are not done, and waits
  // for the caller's next one.
  void PassTurn(bool is_waiting);
  Thread& DrawThread();
  void MoveTime(bool is_waiting);

  const uint64_t seed_;
  DeterministicRandom random_;
  SteppedClock clock_;
  SteadyTime now_;
  std::vector<std::unique_ptr<Thread>> threads_;
  Thread* running_ = nullptr;
  Turn all_done_;
  int64_t num_choices_ = 0;
  int64_t max_choices_ = 0;
  int64_t num_waits_in_a_row_ = 0;
};

}  // namespace eplb

#endif  // EPLB_TESTING_SEEDED_SCHEDULER_H_
