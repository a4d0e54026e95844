#include "eplb/state/log_event_sink.h"

#include <unistd.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "collectives/rank_values.h"
#include "eplb/core/event_sink.h"
#include "eplb/state/token_table.h"
#include "glog/logging.h"

namespace eplb {
namespace {

struct Describe {
  std::string operator()(const StepStatistics& event) const {
    std::string line = absl::StrFormat(
        "%s: step %d: balancedness %.4f%s, tokens per rank %.0f on average and "
        "%.0f at most, next rearrangement in %d steps",
        event.model, event.step, event.balancedness,
        event.predicted ? " (predicted)" : "", event.avg_tokens,
        event.max_tokens, event.steps_until_rearrangement);
    if (event.balancedness_planned) {
      absl::StrAppendFormat(&line, "; the new placement was to have %.4f",
                            *event.balancedness_planned);
    }
    return line;
  }
  std::string operator()(const RearrangementStarted& event) const {
    std::string line = absl::StrCat(event.model, ": step ", event.step,
                                    ": rearranging experts");
    if (event.overdue_steps > 0) {
      absl::StrAppend(&line, ", overdue by ", event.overdue_steps, " steps");
    }
    return line;
  }
  std::string operator()(const RearrangementFinished& event) const {
    return absl::StrFormat(
        "%s: step %d: rearranged experts in %.3f s: %d slots and %d bytes "
        "moved, balancedness %.4f planned where there was %.4f",
        event.model, event.step, event.seconds, event.moved_slots,
        event.moved_bytes, event.balancedness_planned,
        event.balancedness_before);
  }
  std::string operator()(const RearrangementTimed& event) const {
    return absl::StrFormat(
        "%s: step %d: the rearrangement has held up the device's stream for "
        "%.6f s",
        event.model, event.step, event.device_seconds);
  }
  std::string operator()(const RearrangementSkipped& event) const {
    return absl::StrCat(event.model, ": step ", event.step,
                        ": rearrangement skipped: ", event.reason);
  }
  std::string operator()(const RearrangementFailed& event) const {
    return absl::StrCat(event.model, ": step ", event.step,
                        ": rearrangement failed: ", event.status.ToString());
  }
  std::string operator()(const BackgroundFailed& event) const {
    return absl::StrCat("step ", event.step, ": the background has failed: ",
                        event.status.ToString());
  }
  std::string operator()(const FenceWait& event) const {
    return absl::StrFormat(
        "%s: step %d: has waited for %.1f s to learn when layers switch; "
        "silent background workers: %s",
        event.model, event.step, event.seconds,
        event.silent_ranks.empty() ? "unknown" : RankList(event.silent_ranks));
  }
};

// Files keep no colours.
bool IsShownOnTerminal() {
  const bool goes_to_terminal = FLAGS_logtostderr || FLAGS_alsologtostderr ||
                                FLAGS_stderrthreshold <= google::GLOG_INFO;
  return goes_to_terminal && isatty(STDERR_FILENO);
}

}  // namespace

std::string DescribeEvent(const Event& event) {
  return std::visit(Describe(), event);
}

void LogEventSink::LogNewWarnings(const std::string& model,
                                  const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    absl::MutexLock lock(&mutex_);
    if (!warned_.insert({model, warning}).second) continue;
    LOG(WARNING) << model << ": " << warning;
  }
}

void LogEventSink::Record(const Event& event) {
  if (const auto* done = std::get_if<RearrangementFinished>(&event)) {
    LogNewWarnings(done->model, done->warnings);
  } else if (const auto* skipped = std::get_if<RearrangementSkipped>(&event)) {
    LogNewWarnings(skipped->model, skipped->warnings);
  }
  const std::string line = DescribeEvent(event);
  if (std::holds_alternative<RearrangementFailed>(event) ||
      std::holds_alternative<BackgroundFailed>(event)) {
    LOG(ERROR) << line;
  } else if (std::holds_alternative<RearrangementSkipped>(event) ||
             std::holds_alternative<FenceWait>(event)) {
    LOG(WARNING) << line;
  } else {
    LOG(INFO) << line;
  }
  const auto* statistics = std::get_if<StepStatistics>(&event);
  if (statistics != nullptr && statistics->table != nullptr) {
    LOG(INFO) << "\n"
              << FormatTokenTable(*statistics->table, IsShownOnTerminal());
  }
}

}  // namespace eplb
