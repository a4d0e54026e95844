#include "tools/run/stoppable_connect.h"

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"
#include "tools/run/stop_signal.h"

namespace eplb {
namespace {

constexpr auto kTick = std::chrono::milliseconds(1);
constexpr auto kGrace = StoppableConnect::kGrace;

// Nobody comes while `wait` runs.
class LonelyFactory final : public CommunicatorFactory {
 public:
  explicit LonelyFactory(std::function<void(SteadyTime deadline)> wait)
      : wait_(std::move(wait)) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t /*epoch*/, absl::Span<const int> /*members*/,
      SteadyTime deadline) override {
    wait_(deadline);
    return absl::DeadlineExceededError("nobody came");
  }

 private:
  const std::function<void(SteadyTime deadline)> wait_;
};

void ConnectInVain(StoppableConnect& connect, SteadyTime deadline,
                   std::function<void(SteadyTime deadline)> wait) {
  LonelyFactory factory(std::move(wait));
  connect.UseFactory(factory);
  EXPECT_THAT(connect.Connect(/*epoch=*/1, {0, 1}, deadline),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "nobody came"));
}

TEST(StoppableConnectTest, TheDeadlineComesAGraceAfterTheWish) {
  FakeClock time;
  const StopSignal stop;
  StoppableConnect connect(time, stop);
  const Clock& clock = connect.clock();
  ConnectInVain(connect, time.Now() + std::chrono::hours(1),
                [&](SteadyTime deadline) {
                  time.AdvanceClock(2 * kGrace);
                  EXPECT_EQ(clock.Now(), time.Now());
                  ASSERT_EQ(raise(SIGINT), 0);
                  EXPECT_EQ(clock.Now(), time.Now());
                  time.AdvanceClock(kGrace - kTick);
                  EXPECT_EQ(clock.Now(), time.Now());
                  time.AdvanceClock(kTick);
                  EXPECT_EQ(clock.Now(), deadline);
                  // Nor does it stand still then.
                  time.AdvanceClock(kTick);
                  EXPECT_EQ(clock.Now(), deadline + kTick);
                });
  EXPECT_EQ(clock.Now(), time.Now());
}

TEST(StoppableConnectTest, AWishDoesNotMakeADeadlineLater) {
  FakeClock time;
  const StopSignal stop;
  StoppableConnect connect(time, stop);
  ConnectInVain(connect, time.Now() + kTick, [&](SteadyTime deadline) {
    ASSERT_EQ(raise(SIGINT), 0);
    EXPECT_LT(connect.clock().Now(), deadline);
    time.AdvanceClock(2 * kGrace);
    EXPECT_EQ(connect.clock().Now(), time.Now());
  });
}

TEST(StoppableConnectTest, WhoWaitsForARankNoticesTheWish) {
  SystemClock time;
  const StopSignal stop;
  StoppableConnect connect(time, stop);
  ASSERT_EQ(raise(SIGTERM), 0);
  ConnectInVain(connect, time.Now() + std::chrono::hours(1),
                [&](SteadyTime deadline) {
                  absl::Mutex mutex;
                  absl::CondVar never;
                  absl::MutexLock lock(&mutex);
                  while (!connect.clock().WaitUntil(never, mutex, deadline)) {
                  }
                });
}

TEST(StoppableConnectTest, TheClockIsRightWhileNobodyConnects) {
  FakeClock time;
  const StopSignal stop;
  StoppableConnect connect(time, stop);
  ASSERT_EQ(raise(SIGINT), 0);
  EXPECT_EQ(connect.clock().Now(), time.Now());
  time.AdvanceClock(std::chrono::hours(1));
  EXPECT_EQ(connect.clock().Now(), time.Now());
}

}  // namespace
}  // namespace eplb
