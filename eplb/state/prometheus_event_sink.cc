#include "eplb/state/prometheus_event_sink.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eplb/core/event_sink.h"
#include "eplb/state/prometheus_text.h"

namespace eplb {
namespace {

std::string ModelLabel(absl::string_view model) {
  return absl::StrCat(
      "model=\"",
      absl::StrReplaceAll(model,
                          {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
      "\"");
}

// The smallest value that `share` of the values do not pass.
double Quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double index = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(index, 1.0)) - 1];
}

}  // namespace

void PrometheusEventSink::Record(const Event& event) {
  absl::MutexLock lock(&mutex_);
  if (const auto* step = std::get_if<StepStatistics>(&event)) {
    ModelMetrics& metrics = models_[step->model];
    metrics.mean_balancedness = step->balancedness;
    metrics.layer_balancedness = step->layer_balancedness;
    metrics.sorted_balancedness.clear();
    for (const double layer : step->layer_balancedness) {
      if (layer > 0) metrics.sorted_balancedness.push_back(layer);
    }
    std::sort(metrics.sorted_balancedness.begin(),
              metrics.sorted_balancedness.end());
  } else if (const auto* done = std::get_if<RearrangementFinished>(&event)) {
    ModelMetrics& metrics = models_[done->model];
    ++metrics.rearrangements;
    metrics.moved_bytes += done->moved_bytes;
    metrics.seconds += done->seconds;
  } else if (const auto* timed = std::get_if<RearrangementTimed>(&event)) {
    models_[timed->model].device_seconds += timed->device_seconds;
  } else if (const auto* skipped = std::get_if<RearrangementSkipped>(&event)) {
    ++models_[skipped->model].skipped;
  } else if (const auto* failed = std::get_if<RearrangementFailed>(&event)) {
    ++models_[failed->model].failed;
  }
}

std::string PrometheusEventSink::Text() const {
  absl::MutexLock lock(&mutex_);
  std::string text;
  AppendMetricHelp(
      "eplb_balancedness", "gauge",
      "Mean over maximum of the rank loads, over the layers of the last "
      "reported step.",
      text);
  for (const auto& [model, metrics] : models_) {
    const std::vector<double>& layers = metrics.sorted_balancedness;
    const std::pair<const char*, double> statistics[] = {
        {"min", Quantile(layers, 0)},
        {"mean", metrics.mean_balancedness},
        {"p50", Quantile(layers, 0.5)},
        {"p90", Quantile(layers, 0.9)}};
    for (const auto& [name, value] : statistics) {
      absl::StrAppend(&text, "eplb_balancedness{", ModelLabel(model),
                      ",statistic=\"", name, "\"} ", value, "\n");
    }
  }
  if (options_.per_layer) {
    AppendMetricHelp("eplb_layer_balancedness", "gauge",
                     "The same of each layer; 0 for one without tokens.", text);
    for (const auto& [model, metrics] : models_) {
      for (size_t i = 0; i < metrics.layer_balancedness.size(); ++i) {
        absl::StrAppend(&text, "eplb_layer_balancedness{", ModelLabel(model),
                        ",layer=\"", i, "\"} ", metrics.layer_balancedness[i],
                        "\n");
      }
    }
  }
  const auto append_counters =
      [&](absl::string_view name, absl::string_view help,
          absl::FunctionRef<double(const ModelMetrics&)> value) {
        AppendMetricHelp(name, "counter", help, text);
        for (const auto& [model, metrics] : models_) {
          absl::StrAppendFormat(&text, "%s{%s} %.17g\n", name,
                                ModelLabel(model), value(metrics));
        }
      };
  using M = ModelMetrics;
  append_counters("eplb_rearrangements_total", "Rearrangements that finished.",
                  [](const M& m) { return m.rearrangements; });
  append_counters("eplb_rearrangements_skipped_total",
                  "Rearrangements that were not worth it or not possible.",
                  [](const M& m) { return m.skipped; });
  append_counters("eplb_rearrangements_failed_total",
                  "Rearrangements that failed.",
                  [](const M& m) { return m.failed; });
  append_counters("eplb_rearrangement_seconds_total",
                  "Time that rearrangements took.",
                  [](const M& m) { return m.seconds; });
  append_counters("eplb_rearrangement_device_seconds_total",
                  "Time that rearrangements between steps held up the stream, "
                  "by the clock of the device.",
                  [](const M& m) { return m.device_seconds; });
  append_counters("eplb_moved_bytes_total",
                  "Bytes of weights that rearrangements moved.",
                  [](const M& m) { return m.moved_bytes; });
  return text;
}

}  // namespace eplb
