#include "tools/report/report_json.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "eplb/load/json_writer.h"
#include "tools/report/hot_experts.h"
#include "tools/report/rank_load_map.h"
#include "tools/report/report.h"

namespace eplb {
namespace {

// Digits beyond these would double the size of the page and be read by nobody.
double Rounded(double value) { return std::round(value * 1e5) / 1e5; }

template <typename T>
void OptionalField(JsonWriter& json, absl::string_view name,
                   const std::optional<T>& value) {
  if (value) json.Field(name, *value);
}

void WritePoints(JsonWriter& json, absl::string_view name,
                 const std::vector<ReportPoint>& points) {
  json.Key(name).BeginArray();
  for (const ReportPoint& point : points) {
    json.Value(Rounded(point.balancedness));
  }
  json.EndArray();
}

void WriteMap(JsonWriter& json, absl::string_view name,
              const std::optional<RankLoadMap>& map) {
  if (!map) return;
  json.Key(name).BeginObject();
  json.Field("num_layers", map->num_layers).Field("num_ranks", map->num_ranks);
  json.Field("layers_per_row", map->layers_per_row);
  json.Field("ranks_per_column", map->ranks_per_column);
  json.Key("load_over_mean").BeginArray();
  for (int row = 0; row < map->rows(); ++row) {
    json.BeginArray();
    for (int column = 0; column < map->columns(); ++column) {
      json.Value(Rounded(map->cell(row, column)));
    }
    json.EndArray();
  }
  json.EndArray().EndObject();
}

void WriteRearrangements(JsonWriter& json, const Report& report) {
  json.Key("rearrangements").BeginArray();
  for (const ReportRearrangement& rearrangement : report.rearrangements) {
    json.BeginObject().Field("step", rearrangement.step);
    OptionalField(json, "balancedness", rearrangement.balancedness);
    OptionalField(json, "moved_slots", rearrangement.moved_slots);
    OptionalField(json, "moved_bytes", rearrangement.moved_bytes);
    OptionalField(json, "plan_seconds", rearrangement.plan_seconds);
    OptionalField(json, "stall_seconds", rearrangement.stall_seconds);
    json.EndObject();
  }
  json.EndArray();
}

void WriteTotals(JsonWriter& json, const Report& report,
                 const ReportTotals& totals) {
  json.Key("totals").BeginObject();
  json.Field("rearrangements", totals.rearrangements);
  OptionalField(json, "moved_slots", totals.moved_slots);
  OptionalField(json, "moved_bytes", totals.moved_bytes);
  OptionalField(json, "mean_plan_seconds", totals.mean_plan_seconds);
  OptionalField(json, "longest_stall_seconds", report.longest_stall_seconds);
  OptionalField(json, "total_stall_seconds", report.total_stall_seconds);
  json.EndObject();
}

void WriteHottest(JsonWriter& json, const std::vector<HotExpert>& hottest) {
  json.Key("hottest_experts").BeginArray();
  for (const HotExpert& hot : hottest) {
    json.BeginObject().Field("layer", hot.layer).Field("expert", hot.expert);
    json.Field("load_over_mean", Rounded(hot.load_over_mean));
    json.Field("replicas", hot.ranks.size());
    json.Key("ranks").Integers(hot.ranks).EndObject();
  }
  json.EndArray();
}

void WriteVariants(JsonWriter& json, const std::vector<ReportVariant>& rows) {
  if (rows.empty()) return;
  json.Key("variants").BeginArray();
  for (const ReportVariant& row : rows) {
    json.BeginObject()
        .Field("policy", row.policy)
        .Field("num_ranks", row.num_ranks)
        .Field("num_redundant_experts", row.num_redundant_experts)
        .Field("balancedness", row.balancedness)
        .Field("worst_balancedness", row.worst_balancedness)
        .Field("balancedness_without", row.balancedness_without)
        .Field("moved_slots_per_rearrangement",
               row.moved_slots_per_rearrangement)
        .Field("plan_seconds", row.plan_seconds)
        .EndObject();
  }
  json.EndArray();
}

}  // namespace

std::string ReportJson(const Report& report, const ReportTotals& totals) {
  JsonWriter json;
  json.BeginObject().Field("format", "eplb.report/1");
  json.Field("title", report.title).Field("source", report.source);
  json.Key("configuration").BeginArray();
  for (const ReportField& field : report.configuration) {
    json.BeginObject().Field("name", field.name).Field("value", field.value);
    json.EndObject();
  }
  json.EndArray();
  json.Field("before", report.before_label).Field("after", report.after_label);
  OptionalField(json, "balancedness_before", report.balancedness_before);
  OptionalField(json, "balancedness_after", report.balancedness_after);
  WriteTotals(json, report, totals);
  json.Field("step_name", report.step_name);
  json.Key("steps").BeginArray();
  for (const ReportPoint& point : report.points) json.Value(point.step);
  json.EndArray();
  WritePoints(json, "balancedness", report.points);
  if (!report.without.empty()) {
    WritePoints(json, "balancedness_without", report.without);
  }
  WriteRearrangements(json, report);
  WriteMap(json, "ranks_before", report.ranks_before);
  WriteMap(json, "ranks_after", report.ranks_after);
  WriteHottest(json, report.hottest);
  WriteVariants(json, report.variants);
  return json.EndObject().Take();
}

}  // namespace eplb
