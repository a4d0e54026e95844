#include "tools/run/stop_signal.h"

#include <signal.h>

#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(StopSignalTest, KeepsTheFirstSignal) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const StopSignal stop;
    EXPECT_FALSE(stop.requested());
    ASSERT_EQ(raise(signal_number), 0);
    EXPECT_TRUE(stop.requested());
  }
}

TEST(StopSignalTest, ASecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const StopSignal stop;
        raise(SIGINT);
        raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignalTest, LeavesSignalsAsTheyWere) {
  EXPECT_EXIT(
      {
        { const StopSignal stop; }
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignalTest, ASignalThatIsHeldComesInAfterwards) {
  const StopSignal stop;
  {
    const HeldStopSignals held;
    ASSERT_EQ(raise(SIGTERM), 0);
    EXPECT_FALSE(stop.requested());
  }
  EXPECT_TRUE(stop.requested());
}

}  // namespace
}  // namespace eplb
