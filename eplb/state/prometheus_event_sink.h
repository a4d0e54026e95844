// PrometheusEventSink: events as metrics, in the text format of Prometheus.
//
//   PrometheusEventSink metrics;
//   dependencies.events = &metrics;
//   ...
//   response.body = metrics.Text();  // On a scrape of /metrics.
//
// Few series by default: per model the balancedness over its layers (minimum,
// mean, median, 90th percentile), and counters of rearrangements.

#ifndef EPLB_STATE_PROMETHEUS_EVENT_SINK_H_
#define EPLB_STATE_PROMETHEUS_EVENT_SINK_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"

namespace eplb {

struct PrometheusOptions {
  // A series per layer as well.
  bool per_layer = false;
};

// Thread-safe.
class PrometheusEventSink final : public EventSink {
 public:
  explicit PrometheusEventSink(const PrometheusOptions& options = {})
      : options_(options) {}

  void Record(const Event& event) override ABSL_LOCKS_EXCLUDED(mutex_);

  std::string Text() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct ModelMetrics {
    double mean_balancedness = 0;
    // Of the layers with tokens, rising; and of all, by layer.
    std::vector<double> sorted_balancedness;
    std::vector<double> layer_balancedness;
    int64_t rearrangements = 0;
    int64_t skipped = 0;
    int64_t failed = 0;
    int64_t moved_bytes = 0;
    double seconds = 0;
    double device_seconds = 0;
  };

  const PrometheusOptions options_;
  mutable absl::Mutex mutex_;
  std::map<std::string, ModelMetrics> models_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_PROMETHEUS_EVENT_SINK_H_
