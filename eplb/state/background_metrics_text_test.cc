#include "eplb/state/background_metrics_text.h"

#include <chrono>
#include <string>

#include "eplb/state/background/background_rearrangement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(BackgroundMetricsTextTest, CountsStallsUpToEachBound) {
  BackgroundMetrics metrics;
  metrics.stalls.buckets = {5, 3, 0, 0, 1, 0, 0, 2};
  metrics.stalls.total = std::chrono::milliseconds(2500);
  metrics.stalls.longest = std::chrono::milliseconds(1500);
  EXPECT_THAT(
      BackgroundMetricsText(metrics),
      AllOf(HasSubstr("# TYPE eplb_step_stall_seconds histogram\n"),
            HasSubstr("eplb_step_stall_seconds_bucket{le=\"1e-06\"} 5\n"),
            HasSubstr("eplb_step_stall_seconds_bucket{le=\"1e-05\"} 8\n"),
            HasSubstr("eplb_step_stall_seconds_bucket{le=\"0.01\"} 9\n"),
            HasSubstr("eplb_step_stall_seconds_bucket{le=\"1\"} 9\n"),
            HasSubstr("eplb_step_stall_seconds_bucket{le=\"+Inf\"} 11\n"),
            HasSubstr("eplb_step_stall_seconds_sum 2.5\n"),
            HasSubstr("eplb_step_stall_seconds_count 11\n"),
            HasSubstr("eplb_step_stall_longest_seconds 1.5\n")));
}

TEST(BackgroundMetricsTextTest, SaysHowFarTheWorkerIs) {
  BackgroundMetrics metrics;
  metrics.fence_waits.count = 4;
  metrics.fence_waits.total = std::chrono::milliseconds(250);
  metrics.layers_pending = 3;
  metrics.oldest_staged_age = std::chrono::seconds(2);
  metrics.bytes_staged = 4096;
  metrics.bytes_per_second = 1e6;
  EXPECT_THAT(BackgroundMetricsText(metrics),
              AllOf(HasSubstr("\neplb_fence_waits_total 4\n"),
                    HasSubstr("\neplb_fence_wait_seconds_total 0.25\n"),
                    HasSubstr("\neplb_layers_pending 3\n"),
                    HasSubstr("\neplb_oldest_staged_seconds 2\n"),
                    HasSubstr("\neplb_staged_bytes_total 4096\n"),
                    HasSubstr("\neplb_staging_bytes_per_second 1e+06\n")));
}

}  // namespace
}  // namespace eplb
