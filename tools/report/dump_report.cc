#include "tools/report/dump_report.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_dump.h"
#include "policies/slot_retention.h"
#include "tools/rank_loads.h"
#include "tools/report/hot_experts.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

constexpr int kHottestExperts = 20;

absl::Status ValidateSameModel(const LoadDumpRecord& first,
                               const LoadDumpRecord& record) {
  if (record.model_name != first.model_name) {
    return absl::InvalidArgumentError(
        absl::StrCat("model_name: '", record.model_name,
                     "' where the first is '", first.model_name, "'"));
  }
  const Placement& here = record.placement;
  const Placement& there = first.placement;
  if (here.num_layers() != there.num_layers() ||
      here.num_logical_experts() != there.num_logical_experts()) {
    return absl::InvalidArgumentError(
        absl::StrCat(here.num_layers(), " layers of ",
                     here.num_logical_experts(), " experts; the first has ",
                     there.num_layers(), " of ", there.num_logical_experts()));
  }
  return absl::OkStatus();
}

bool SameSlots(const LoadDumpRecord& a, const LoadDumpRecord& b) {
  return a.world_size == b.world_size &&
         a.placement.num_slots() == b.placement.num_slots();
}

int64_t MovedSlots(const LoadDumpRecord& before, const LoadDumpRecord& after) {
  const int slots_per_rank =
      after.placement.num_slots() / static_cast<int>(after.world_size);
  int64_t moved = 0;
  for (int layer = 0; layer < after.placement.num_layers(); ++layer) {
    moved += CountMovedSlots(before.placement.experts_of_slots(layer),
                             after.placement.experts_of_slots(layer),
                             slots_per_rank);
  }
  return moved;
}

ReportRearrangement SumOf(int64_t step,
                          absl::Span<const DumpedRearrangement> told) {
  ReportRearrangement sum{
      .step = step, .moved_slots = 0, .moved_bytes = 0, .plan_seconds = 0};
  for (const DumpedRearrangement& rearrangement : told) {
    *sum.moved_slots += rearrangement.moved_slots;
    *sum.moved_bytes += rearrangement.moved_bytes;
    *sum.plan_seconds += rearrangement.plan_seconds;
    if (rearrangement.stall_seconds) {
      sum.stall_seconds =
          sum.stall_seconds.value_or(0) + *rearrangement.stall_seconds;
    }
  }
  return sum;
}

// The rank loads of lines that have one placement, summed.
struct RankLoadSums {
  int num_ranks = 0;
  std::vector<double> loads;

  void Add(const std::vector<double>& rank_loads, int ranks) {
    num_ranks = ranks;
    loads.resize(rank_loads.size());
    for (size_t i = 0; i < loads.size(); ++i) loads[i] += rank_loads[i];
  }
};

class DumpReader {
 public:
  absl::Status Add(LoadDumpRecord record) {
    if (first_) {
      EPLB_RETURN_IF_ERROR(ValidateSameModel(*first_, record));
    }
    const bool same = last_ && SameSlots(*last_, record);
    told_.insert(told_.end(), record.rearrangements.begin(),
                 record.rearrangements.end());
    if (last_ && !(same && last_->placement == record.placement)) {
      ReportRearrangement rearrangement{.step = num_lines_};
      if (same) rearrangement.moved_slots = MovedSlots(*last_, record);
      report_.rearrangements.push_back(rearrangement);
      after_ = {};
    }
    EPLB_RETURN_IF_ERROR(AddLoads(record));
    if (steps_.empty() || record.step > steps_.back()) {
      steps_.push_back(record.step);
    }
    ++num_lines_;
    if (!first_) first_ = record;
    last_ = std::move(record);
    return absl::OkStatus();
  }

  // InvalidArgument when no line was added.
  absl::StatusOr<Report> Finish(const std::string& name) {
    if (!last_) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": holds no complete record"));
    }
    UseStepsThatRise();
    UseWhatIsTold();
    Summarize();
    Describe(name);
    return std::move(report_);
  }

 private:
  absl::Status AddLoads(const LoadDumpRecord& record) {
    const int num_ranks = static_cast<int>(record.world_size);
    std::vector<double> rank_loads(
        static_cast<size_t>(record.placement.num_layers()) * num_ranks);
    SumSlotsByRank(record.slot_loads, absl::MakeSpan(rank_loads));
    report_.points.push_back(
        {.step = num_lines_,
         .balancedness = MeanBalancedness(rank_loads, num_ranks)});
    RankLoadSums& sums = report_.rearrangements.empty() ? before_ : after_;
    sums.Add(rank_loads, num_ranks);
    EPLB_ASSIGN_OR_RETURN(const std::vector<int64_t> experts,
                          record.LogicalLoads());
    expert_loads_.resize(experts.size());
    for (size_t i = 0; i < experts.size(); ++i) {
      expert_loads_[i] += static_cast<double>(experts[i]);
    }
    return absl::OkStatus();
  }

  // So far, steps are the numbers of the lines.
  void UseStepsThatRise() {
    if (steps_.size() != report_.points.size()) {
      report_.step_name = "line";
      return;
    }
    for (ReportPoint& point : report_.points) point.step = steps_[point.step];
    for (ReportRearrangement& rearrangement : report_.rearrangements) {
      rearrangement.step = steps_[rearrangement.step];
    }
  }

  // A rearrangement that the dump tells of explains the changes of placement
  // after its step, up to that of the next: in the background layers switch one
  // by one, and may show in several lines.
  void UseWhatIsTold() {
    if (report_.step_name != "step") return;
    std::vector<ReportRearrangement> rearrangements;
    size_t used = 0;
    bool goes_on = false;
    for (const ReportRearrangement& seen : report_.rearrangements) {
      const size_t first = used;
      while (used < told_.size() && told_[used].step < seen.step) ++used;
      if (first == used && goes_on) continue;
      rearrangements.push_back(seen);
      goes_on = first < used;
      if (goes_on) {
        rearrangements.back() = SumOf(seen.step, {&told_[first], used - first});
      }
    }
    report_.rearrangements = std::move(rearrangements);
    for (const DumpedRearrangement& told : told_) {
      if (!told.stall_seconds) continue;
      report_.total_stall_seconds =
          report_.total_stall_seconds.value_or(0) + *told.stall_seconds;
      report_.longest_stall_seconds = std::max(
          report_.longest_stall_seconds.value_or(0), *told.stall_seconds);
    }
  }

  void Summarize() {
    constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
    const int num_layers = last_->placement.num_layers();
    const auto map = [&](const RankLoadSums& sums) {
      return MakeRankLoadMap(num_layers, sums.num_ranks, sums.loads);
    };
    if (report_.rearrangements.empty()) {
      report_.after_label = "all lines";
      report_.balancedness_after = MeanOfPoints(report_.points, 0, kEnd);
      report_.ranks_after = map(before_);
    } else {
      report_.before_label = "before the first rearrangement";
      report_.balancedness_before =
          MeanOfPoints(report_.points, 0, report_.rearrangements.front().step);
      report_.ranks_before = map(before_);
      report_.after_label = "after the last rearrangement";
      report_.balancedness_after = MeanOfPoints(
          report_.points, report_.rearrangements.back().step, kEnd);
      report_.ranks_after = map(after_);
    }
    report_.hottest =
        HottestExperts(expert_loads_, last_->placement,
                       static_cast<int>(last_->world_size), kHottestExperts);
  }

  void Describe(const std::string& name) {
    report_.title = last_->model_name.empty()
                        ? "Expert load"
                        : absl::StrCat("Expert load of ", last_->model_name);
    report_.source = absl::StrCat(
        "Recorded in ", name, ": ", num_lines_, " windows of loads.",
        report_.total_stall_seconds ? " A stall is the time of a "
                                      "rearrangement between two steps, on "
                                      "rank 0."
                                    : "");
    const Placement& placement = last_->placement;
    const auto field = [&](const char* what, int64_t value) {
      report_.configuration.push_back({what, absl::StrCat(value)});
    };
    field("layers", placement.num_layers());
    field("logical experts per layer", placement.num_logical_experts());
    field("slots per layer", placement.num_slots());
    field("redundant experts per layer",
          placement.num_slots() - placement.num_logical_experts());
    field("ranks", last_->world_size);
    if (last_->window_size > 0) field("window, steps", last_->window_size);
  }

  Report report_;
  int64_t num_lines_ = 0;
  std::vector<DumpedRearrangement> told_;
  // While they rise.
  std::vector<int64_t> steps_;
  std::optional<LoadDumpRecord> first_;
  std::optional<LoadDumpRecord> last_;
  // Lines up to the first rearrangement, and from the last on.
  RankLoadSums before_;
  RankLoadSums after_;
  std::vector<double> expert_loads_;
};

}  // namespace

absl::StatusOr<DumpReport> ReadDumpReport(const std::string& name) {
  EPLB_ASSIGN_OR_RETURN(LoadDumpReader lines, LoadDumpReader::Open(name));
  DumpReader reader;
  for (int64_t line = 1;; ++line) {
    EPLB_ASSIGN_OR_RETURN(std::optional<LoadDumpRecord> record, lines.Next());
    if (!record) break;
    EPLB_RETURN_IF_ERROR(WithPlace(absl::StrCat(name, ": line ", line),
                                   reader.Add(*std::move(record))));
  }
  EPLB_ASSIGN_OR_RETURN(Report report, reader.Finish(name));
  return DumpReport{std::move(report), lines.warnings()};
}

}  // namespace eplb
