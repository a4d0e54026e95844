#include "eplb/state/prometheus_event_sink.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "eplb/core/event_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

StepStatistics FourLayers() {
  StepStatistics step;
  step.model = "org/\"main\"";
  step.balancedness = 0.75;
  step.layer_balancedness = {1, 0.5, 0, 0.75};
  return step;
}

TEST(PrometheusEventSinkTest, HasFewSeriesOverTheLayersWithTokens) {
  PrometheusEventSink sink;
  sink.Record(FourLayers());
  const std::string text = sink.Text();
  const std::string model = "{model=\"org/\\\"main\\\"\",statistic=\"";
  EXPECT_THAT(text, AllOf(HasSubstr("# TYPE eplb_balancedness gauge\n"),
                          HasSubstr("ss" + model + "min\"} 0.5\n"),
                          HasSubstr("ss" + model + "mean\"} 0.75\n"),
                          HasSubstr("ss" + model + "p50\"} 0.75\n"),
                          HasSubstr("ss" + model + "p90\"} 1\n"),
                          Not(HasSubstr("layer="))));
  // Per model: four of balancedness and six counters.
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4 + 2 + 3 * 6);
}

TEST(PrometheusEventSinkTest, HasASeriesPerLayerOnRequest) {
  PrometheusEventSink sink({.per_layer = true});
  sink.Record(FourLayers());
  EXPECT_THAT(sink.Text(), HasSubstr(",layer=\"3\"} 0.75\n"));
}

TEST(PrometheusEventSinkTest, AddsUpRearrangements) {
  PrometheusEventSink sink;
  for (int i = 0; i < 3; ++i) {
    sink.Record(RearrangementFinished{
        .model = "m", .moved_bytes = int64_t{1} << 53, .seconds = 0.5});
  }
  sink.Record(RearrangementTimed{.model = "m", .device_seconds = 0.125});
  sink.Record(RearrangementTimed{.model = "m", .device_seconds = 0.25});
  sink.Record(RearrangementSkipped{.model = "m", .reason = "no"});
  sink.Record(RearrangementFailed{"m", 0, absl::InternalError("why")});
  EXPECT_THAT(
      sink.Text(),
      AllOf(HasSubstr("eplb_rearrangements_total{model=\"m\"} 3\n"),
            HasSubstr("eplb_rearrangements_skipped_total{model=\"m\"} 1\n"),
            HasSubstr("eplb_rearrangements_failed_total{model=\"m\"} 1\n"),
            HasSubstr("eplb_rearrangement_seconds_total{model=\"m\"} 1.5\n"),
            HasSubstr("eplb_rearrangement_device_seconds_total{model=\"m\"} "
                      "0.375\n"),
            HasSubstr("eplb_moved_bytes_total{model=\"m\"} "
                      "27021597764222976\n")));
}

}  // namespace
}  // namespace eplb
