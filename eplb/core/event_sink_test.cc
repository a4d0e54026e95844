#include "eplb/core/event_sink.h"

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

// What a sink of an embedder does: one line for each kind of event.
class LineSink final : public EventSink {
 public:
  void Record(const Event& event) override {
    lines_.push_back(
        std::visit([](const auto& kind) { return Line(kind); }, event));
  }

  const std::vector<std::string>& lines() const { return lines_; }

 private:
  template <typename Kind>
  static std::string Line(const Kind& kind) {
    return kind.model + ": " + Describe(kind);
  }
  static std::string Line(const BackgroundFailed& failed) {
    return std::string(failed.status.message());
  }
  static std::string Describe(const StepStatistics&) { return "step"; }
  static std::string Describe(const RearrangementStarted&) { return "started"; }
  static std::string Describe(const RearrangementFinished&) {
    return "finished";
  }
  static std::string Describe(const RearrangementTimed&) { return "timed"; }
  static std::string Describe(const RearrangementSkipped& skipped) {
    return skipped.reason;
  }
  static std::string Describe(const RearrangementFailed& failed) {
    return std::string(failed.status.message());
  }
  static std::string Describe(const FenceWait&) { return "waits"; }

  std::vector<std::string> lines_;
};

TEST(EventSinkTest, ASinkSeesEveryKindOfEvent) {
  LineSink lines;
  EventSink& sink = lines;
  sink.Record(StepStatistics{.model = "m"});
  sink.Record(RearrangementStarted{.model = "m"});
  sink.Record(RearrangementFinished{.model = "m"});
  sink.Record(RearrangementTimed{.model = "m"});
  sink.Record(
      RearrangementSkipped{.model = "m", .step = 3, .reason = "no gain"});
  sink.Record(RearrangementFailed{
      .model = "m", .step = 3, .status = absl::UnavailableError("rank 2")});
  sink.Record(FenceWait{.model = "m"});
  sink.Record(BackgroundFailed{.step = 3, .status = absl::AbortedError("no")});

  EXPECT_THAT(lines.lines(),
              ElementsAre("m: step", "m: started", "m: finished", "m: timed",
                          "m: no gain", "m: rank 2", "m: waits", "no"));
}

TEST(EventSinkTest, EventsOutliveWhatTheyWereMadeFrom) {
  static_assert(std::is_copy_constructible_v<Event>);
  Event copy;
  {
    const Event event = RearrangementSkipped{
        .model = "m", .step = 3, .reason = std::string(100, 'x')};
    copy = event;
  }
  EXPECT_EQ(std::get<RearrangementSkipped>(copy).reason, std::string(100, 'x'));
}

}  // namespace
}  // namespace eplb
