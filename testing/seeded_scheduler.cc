#include "testing/seeded_scheduler.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

constexpr SteadyTime kStart{std::chrono::hours(24)};
constexpr std::chrono::microseconds kLongestTurn{100};

// Beyond every deadline.
constexpr std::chrono::hours kOvertime{24 * 365};

}  // namespace

SeededScheduler::SeededScheduler(uint64_t seed)
    : seed_(seed), random_(seed), clock_(*this), now_(kStart) {}

SeededScheduler::~SeededScheduler() {
  for (const std::unique_ptr<Thread>& thread : threads_) {
    if (thread->thread.joinable()) thread->thread.join();
  }
}

void SeededScheduler::Spawn(std::string name, std::function<void()> body) {
  threads_.push_back(std::make_unique<Thread>());
  Thread* thread = threads_.back().get();
  thread->name = std::move(name);
  thread->thread = std::thread([this, thread, body = std::move(body)] {
    thread->turn.Take();
    body();
    thread->is_done = true;
    PassTurn(/*is_waiting=*/false);
  });
}

void SeededScheduler::Run(int64_t max_choices) {
  max_choices_ = max_choices;
  if (threads_.empty()) return;
  running_ = &DrawThread();
  running_->turn.Give();
  all_done_.Take();
}

void SeededScheduler::Yield() { PassTurn(/*is_waiting=*/false); }

bool SeededScheduler::WaitFor(const std::function<bool()>& ready,
                              SteadyTime deadline) {
  while (!ready()) {
    if (now_ >= deadline) return false;
    PassTurn(/*is_waiting=*/true);
  }
  return true;
}

bool SeededScheduler::SteppedClock::WaitUntil(absl::CondVar& /*changed*/,
                                              absl::Mutex& mutex,
                                              SteadyTime deadline) {
  // Whoever waits on a clock asks for its condition again, so every wait may
  // end early, and nobody has to be told what was signalled.
  mutex.Unlock();
  scheduler_.PassTurn(/*is_waiting=*/true);
  mutex.Lock();
  return scheduler_.now_ >= deadline;
}

void SeededScheduler::PassTurn(bool is_waiting) {
  Thread* const mine = running_;
  MoveTime(is_waiting);
  if (std::all_of(threads_.begin(), threads_.end(),
                  [](const auto& thread) { return thread->is_done; })) {
    all_done_.Give();
    return;
  }
  Thread& next = DrawThread();
  if (&next == mine) return;
  const bool is_done = mine->is_done;
  running_ = &next;
  next.turn.Give();
  if (!is_done) mine->turn.Take();
}

SeededScheduler::Thread& SeededScheduler::DrawThread() {
  const int64_t num_left =
      std::count_if(threads_.begin(), threads_.end(),
                    [](const auto& thread) { return !thread->is_done; });
  int64_t index = random_.NextBelow(num_left);
  for (const std::unique_ptr<Thread>& thread : threads_) {
    if (!thread->is_done && index-- == 0) return *thread;
  }
  std::abort();
}

void SeededScheduler::MoveTime(bool is_waiting) {
  num_waits_in_a_row_ = is_waiting ? num_waits_in_a_row_ + 1 : 0;
  // Every thread has had its turn a few times before time begins to rush.
  const int64_t rounds =
      num_waits_in_a_row_ / (8 * static_cast<int64_t>(threads_.size()));
  const int64_t longest_turn = std::chrono::nanoseconds(kLongestTurn).count()
                               << std::min<int64_t>(rounds, 20);
  now_ += std::chrono::nanoseconds(random_.NextBelow(longest_turn));

  ++num_choices_;
  if (num_choices_ == max_choices_) now_ += kOvertime;
  if (num_choices_ < 2 * max_choices_) return;
  std::fprintf(stderr, "seed %llu: these threads never end:",
               static_cast<unsigned long long>(seed_));
  for (const std::unique_ptr<Thread>& thread : threads_) {
    if (!thread->is_done) std::fprintf(stderr, " %s", thread->name.c_str());
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

}  // namespace eplb
