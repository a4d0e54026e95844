#include "eplb/state/log_event_sink.h"

#include <unistd.h>

#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "collectives/rank_values.h"
#include "eplb/core/event_sink.h"
#include "eplb/state/token_table.h"
#include "glog/logging.h"

namespace eplb {
namespace {

struct Describe {
  std::string operator()(const StepStatistics& event) const {
    return absl::StrFormat(
        "%s: step %d: balancedness %.4f%s, tokens per rank %.0f on average and "
        "%.0f at most, next rearrangement in %d steps",
        event.model, event.step, event.balancedness,
        event.predicted ? " (predicted)" : "", event.avg_tokens,
        event.max_tokens, event.steps_until_rearrangement);
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

}  // namespace

std::string DescribeEvent(const Event& event) {
  return std::visit(Describe(), event);
}

void LogEventSink::Record(const Event& event) {
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
              << FormatTokenTable(*statistics->table, isatty(STDERR_FILENO));
  }
}

}  // namespace eplb
