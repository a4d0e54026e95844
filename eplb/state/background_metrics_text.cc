#include "eplb/state/background_metrics_text.h"

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/background/stall_histogram.h"
#include "eplb/state/prometheus_text.h"

namespace eplb {
namespace {

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

void AppendValue(absl::string_view name, absl::string_view type,
                 absl::string_view help, double value, std::string& text) {
  AppendMetricHelp(name, type, help, text);
  absl::StrAppend(&text, name, " ", value, "\n");
}

void AppendStalls(const StallHistogram::Counts& stalls, std::string& text) {
  constexpr absl::string_view kName = "eplb_step_stall_seconds";
  AppendMetricHelp(kName, "histogram",
                   "Time that a step of the serving thread took for switches "
                   "and at its fence.",
                   text);
  int64_t count = 0;
  double bound = 1e-6;
  for (int i = 0; i < StallHistogram::kNumBuckets; ++i) {
    count += stalls.buckets[i];
    const bool is_last = i + 1 == StallHistogram::kNumBuckets;
    absl::StrAppend(&text, kName, "_bucket{le=\"",
                    is_last ? "+Inf" : absl::StrCat(bound), "\"} ", count,
                    "\n");
    bound *= 10;
  }
  absl::StrAppend(&text, kName, "_sum ", Seconds(stalls.total), "\n", kName,
                  "_count ", count, "\n");
}

}  // namespace

std::string BackgroundMetricsText(const BackgroundMetrics& metrics) {
  std::string text;
  AppendStalls(metrics.stalls, text);
  AppendValue("eplb_step_stall_longest_seconds", "gauge",
              "The longest of them.", Seconds(metrics.stalls.longest), text);
  AppendValue("eplb_fence_waits_total", "counter",
              "Steps that waited at their fence.",
              static_cast<double>(metrics.fence_waits.count), text);
  AppendValue("eplb_fence_wait_seconds_total", "counter",
              "Time that they waited.", Seconds(metrics.fence_waits.total),
              text);
  AppendValue("eplb_layers_pending", "gauge",
              "Layers that are agreed on and have not switched.",
              metrics.layers_pending, text);
  AppendValue("eplb_oldest_staged_seconds", "gauge",
              "Age of the oldest layer that is staged and has not switched.",
              Seconds(metrics.oldest_staged_age), text);
  AppendValue("eplb_staged_bytes_total", "counter",
              "Bytes of weights received into staging.",
              static_cast<double>(metrics.bytes_staged), text);
  AppendValue("eplb_staging_bytes_per_second", "gauge",
              "Rate of that, while staging.", metrics.bytes_per_second, text);
  return text;
}

}  // namespace eplb
