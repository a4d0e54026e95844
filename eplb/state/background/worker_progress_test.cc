#include "eplb/state/background/worker_progress.h"

#include <chrono>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class WorkerProgressTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  WorkerProgress progress_{clock_};
};

TEST_F(WorkerProgressTest, AWorkerWithoutOrdersIsNotStuck) {
  clock_.AdvanceClock(std::chrono::hours(1));
  EPLB_EXPECT_OK(progress_.CheckNotStuck(seconds(60)));
  progress_.Begin("staging");
  progress_.Begin("");
  clock_.AdvanceClock(std::chrono::hours(1));
  EPLB_EXPECT_OK(progress_.CheckNotStuck(seconds(60)));
}

TEST_F(WorkerProgressTest, NamesTheOperationThatTakesTooLongOnce) {
  progress_.Begin("staging");
  clock_.AdvanceClock(seconds(60));
  EPLB_EXPECT_OK(progress_.CheckNotStuck(seconds(60)));
  clock_.AdvanceClock(seconds(1));
  EXPECT_THAT(progress_.CheckNotStuck(seconds(60)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("is stuck: staging for 1m1s")));
  EPLB_EXPECT_OK(progress_.CheckNotStuck(seconds(60)));
  progress_.Begin("a checkpoint");
  clock_.AdvanceClock(seconds(61));
  EXPECT_THAT(progress_.CheckNotStuck(seconds(60)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(WorkerProgressTest, SumsWhatWasStaged) {
  progress_.AddStaged(100, seconds(1));
  progress_.AddStaged(50, seconds(2));
  EXPECT_EQ(progress_.staged().bytes, 150);
  EXPECT_EQ(progress_.staged().time, seconds(3));
}

}  // namespace
}  // namespace eplb
