#include "eplb/state/chrome_trace_event_sink.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include "absl/synchronization/mutex.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/load/json_writer.h"

namespace eplb {
namespace {

constexpr char kFinished[] = "finished";

}  // namespace

ChromeTraceEventSink::ChromeTraceEventSink(const Clock& clock, int rank,
                                           int max_spans)
    : clock_(clock),
      rank_(rank),
      max_spans_(static_cast<size_t>(max_spans)),
      begin_(clock.Now()) {}

double ChromeTraceEventSink::MicrosecondsSinceBegin() const {
  return std::chrono::duration<double, std::micro>(clock_.Now() - begin_)
      .count();
}

void ChromeTraceEventSink::Record(const Event& event) {
  absl::MutexLock lock(&mutex_);
  if (const auto* started = std::get_if<RearrangementStarted>(&event)) {
    started_[started->model] = MicrosecondsSinceBegin();
  } else if (const auto* done = std::get_if<RearrangementFinished>(&event)) {
    Finish(done->model, {.outcome = kFinished,
                         .step = done->step,
                         .moved_slots = done->moved_slots,
                         .moved_bytes = done->moved_bytes});
  } else if (const auto* timed = std::get_if<RearrangementTimed>(&event)) {
    AddDeviceTime(*timed);
  } else if (const auto* skipped = std::get_if<RearrangementSkipped>(&event)) {
    Finish(skipped->model,
           {.outcome = "skipped: " + skipped->reason, .step = skipped->step});
  } else if (const auto* failed = std::get_if<RearrangementFailed>(&event)) {
    Finish(failed->model, {.outcome = "failed: " + failed->status.ToString(),
                           .step = failed->step});
  }
}

void ChromeTraceEventSink::Finish(const std::string& model, Span span) {
  const auto started = started_.find(model);
  if (started == started_.end()) return;
  span.model = model;
  span.begin_microseconds = started->second;
  span.microseconds = MicrosecondsSinceBegin() - started->second;
  started_.erase(started);
  if (spans_.size() >= max_spans_) spans_.erase(spans_.begin());
  spans_.push_back(std::move(span));
}

void ChromeTraceEventSink::AddDeviceTime(const RearrangementTimed& timed) {
  // Times come in the order of what they are of.
  const auto span =
      std::find_if(spans_.begin(), spans_.end(), [&](const Span& other) {
        return other.model == timed.model && other.step == timed.step &&
               other.outcome == kFinished && !other.device_microseconds;
      });
  // The oldest spans are gone.
  if (span != spans_.end()) {
    span->device_microseconds = timed.device_seconds * 1e6;
  }
}

std::string ChromeTraceEventSink::Json() const {
  absl::MutexLock lock(&mutex_);
  JsonWriter json;
  json.BeginObject().Field("displayTimeUnit", "ms");
  json.Key("traceEvents").BeginArray();
  for (const Span& span : spans_) {
    json.BeginObject()
        .Field("name", "rearrangement of " + span.model)
        .Field("cat", "eplb")
        .Field("ph", "X")
        .Field("pid", rank_)
        .Field("tid", 0)
        .Field("ts", span.begin_microseconds)
        .Field("dur", span.microseconds);
    json.Key("args")
        .BeginObject()
        .Field("outcome", span.outcome)
        .Field("step", span.step)
        .Field("moved_slots", span.moved_slots)
        .Field("moved_bytes", span.moved_bytes);
    if (span.device_microseconds) {
      json.Field("device_microseconds", *span.device_microseconds);
    }
    json.EndObject().EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace eplb
