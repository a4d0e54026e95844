#include "eplb/state/background/background_orders.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"

namespace eplb {

bool BackgroundOrders::BeginsAt(int64_t step, bool at_interval) {
  absl::MutexLock lock(&mutex_);
  return schedule_.BeginsAt(step, at_interval);
}

int64_t BackgroundOrders::overdue_steps() const {
  absl::MutexLock lock(&mutex_);
  return schedule_.overdue_steps();
}

void BackgroundOrders::StartRun(RunOrder order) {
  absl::MutexLock lock(&mutex_);
  if (order.step <= forgotten_run_) return;
  orders_.push_back(std::move(order));
  changed_.SignalAll();
}

void BackgroundOrders::AddTask(TaskOrder order) {
  absl::MutexLock lock(&mutex_);
  // Nobody would ever take it.
  if (is_stopped_ || has_ended_) return;
  if (order.step <= last_task_taken_) return;
  newest_task_ = order.step;
  orders_.push_back(std::move(order));
  changed_.SignalAll();
}

void BackgroundOrders::BeginDrain(int64_t step) {
  absl::MutexLock lock(&mutex_);
  awaited_drain_ = ++last_drain_;
  orders_.push_back(DrainOrder{step, last_drain_});
  changed_.SignalAll();
}

absl::StatusOr<int64_t> BackgroundOrders::AwaitDrain(SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  bool is_late = false;
  while (awaited_drain_.has_value() && !is_stopped_ && !is_late) {
    is_late = clock_.WaitUntil(changed_, mutex_, deadline);
  }
  if (!awaited_drain_.has_value()) return drained_;
  awaited_drain_.reset();
  if (is_stopped_) return absl::CancelledError("shut down during a drain");
  return absl::DeadlineExceededError(
      "not all ranks agreed on the drain before its deadline");
}

bool BackgroundOrders::WithdrawDrain() {
  absl::MutexLock lock(&mutex_);
  const auto drain = std::find_if(
      orders_.begin(), orders_.end(), [](const BackgroundOrder& order) {
        return std::holds_alternative<DrainOrder>(order);
      });
  if (drain == orders_.end()) return false;
  orders_.erase(drain);
  return true;
}

void BackgroundOrders::EndRun(int64_t closing, int64_t last_begin) {
  absl::MutexLock lock(&mutex_);
  schedule_.End(closing, last_begin);
}

void BackgroundOrders::Drained(int64_t step, bool is_closing) {
  absl::MutexLock lock(&mutex_);
  schedule_.Drained(step, is_closing);
}

absl::Status BackgroundOrders::TakeFailure() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(failure_, absl::OkStatus());
}

std::optional<BackgroundOrder> BackgroundOrders::Take() {
  absl::MutexLock lock(&mutex_);
  while (orders_.empty() && !is_stopped_) {
    clock_.WaitUntil(changed_, mutex_, clock_.Now() + idle_wait_);
  }
  if (is_stopped_) return std::nullopt;
  BackgroundOrder order = std::move(orders_.front());
  orders_.pop_front();
  if (const auto* task = std::get_if<TaskOrder>(&order)) {
    last_task_taken_ = task->step;
  }
  return order;
}

std::optional<TaskOrder> BackgroundOrders::TakeTask(int64_t step) {
  absl::MutexLock lock(&mutex_);
  if (orders_.empty()) return std::nullopt;
  auto* const task = std::get_if<TaskOrder>(&orders_.front());
  if (task == nullptr || task->step > step) return std::nullopt;
  TaskOrder taken = std::move(*task);
  orders_.pop_front();
  last_task_taken_ = taken.step;
  return taken;
}

std::optional<DrainOrder> BackgroundOrders::TakeDrain(int64_t step) {
  absl::MutexLock lock(&mutex_);
  if (orders_.empty()) return std::nullopt;
  const auto* const drain = std::get_if<DrainOrder>(&orders_.front());
  if (drain == nullptr || drain->step != step) return std::nullopt;
  const DrainOrder taken = *drain;
  orders_.pop_front();
  return taken;
}

int64_t BackgroundOrders::newest_task() const {
  absl::MutexLock lock(&mutex_);
  return newest_task_;
}

int64_t BackgroundOrders::last_task_taken() const {
  absl::MutexLock lock(&mutex_);
  return last_task_taken_;
}

bool BackgroundOrders::is_draining() const {
  absl::MutexLock lock(&mutex_);
  return awaited_drain_.has_value();
}

void BackgroundOrders::FinishDrain(const DrainOrder& order,
                                   absl::StatusOr<int64_t> last_unit) {
  absl::MutexLock lock(&mutex_);
  if (awaited_drain_ != order.number) return;
  awaited_drain_.reset();
  drained_ = std::move(last_unit);
  changed_.SignalAll();
}

void BackgroundOrders::ReportFailure(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failure_.Update(std::move(status));
}

BackgroundOrders::Closing BackgroundOrders::BeginClosing() {
  absl::MutexLock lock(&mutex_);
  const int64_t number = schedule_.BeginClosing();
  return {number, schedule_.last_begin()};
}

void BackgroundOrders::ForgetUpTo(int64_t run, int64_t task) {
  absl::MutexLock lock(&mutex_);
  forgotten_run_ = std::max(forgotten_run_, run);
  last_task_taken_ = std::max(last_task_taken_, task);
  const auto is_forgotten = [&](const BackgroundOrder& order) {
    if (const auto* task_order = std::get_if<TaskOrder>(&order)) {
      return task_order->step <= task;
    }
    const auto* run_order = std::get_if<RunOrder>(&order);
    return run_order != nullptr && run_order->step <= run;
  };
  orders_.erase(std::remove_if(orders_.begin(), orders_.end(), is_forgotten),
                orders_.end());
}

void BackgroundOrders::SkipTasks(int64_t step, int num_left) {
  absl::MutexLock lock(&mutex_);
  const auto is_counted = [&](const BackgroundOrder& order) {
    const auto* task = std::get_if<TaskOrder>(&order);
    return task != nullptr && task->step <= step;
  };
  int64_t num_skipped =
      std::count_if(orders_.begin(), orders_.end(), is_counted) - num_left;
  const auto is_skipped = [&](const BackgroundOrder& order) {
    if (num_skipped <= 0 || !is_counted(order)) return false;
    --num_skipped;
    last_task_taken_ = std::get<TaskOrder>(order).step;
    return true;
  };
  std::deque<BackgroundOrder> left;
  for (BackgroundOrder& order : orders_) {
    if (!is_skipped(order)) left.push_back(std::move(order));
  }
  orders_ = std::move(left);
}

void BackgroundOrders::Rest(SteadyTime until) {
  absl::MutexLock lock(&mutex_);
  while (!is_stopped_ && !clock_.WaitUntil(changed_, mutex_, until)) {
  }
}

void BackgroundOrders::SayEnded() {
  absl::MutexLock lock(&mutex_);
  has_ended_ = true;
  changed_.SignalAll();
}

bool BackgroundOrders::is_busy() const {
  absl::MutexLock lock(&mutex_);
  return schedule_.is_busy();
}

void BackgroundOrders::Stop() {
  absl::MutexLock lock(&mutex_);
  is_stopped_ = true;
  changed_.SignalAll();
}

bool BackgroundOrders::AwaitEnd(SteadyTime deadline) {
  absl::MutexLock lock(&mutex_);
  while (!has_ended_) {
    if (clock_.WaitUntil(changed_, mutex_, deadline)) break;
  }
  return has_ended_;
}

}  // namespace eplb
