#include "tools/inspect_loads.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/file_format.h"
#include "eplb/load/json_writer.h"
#include "eplb/load/load_file.h"
#include "tools/command/command_output.h"
#include "tools/command/text_table.h"
#include "tools/dump_summary.h"
#include "tools/load_skew.h"
#include "tools/output_format.h"

namespace eplb {
namespace {

constexpr int kNumHottest = 3;

struct LoadSummary {
  std::string name;
  FileFormat format = FileFormat::kNpy;
  int64_t num_steps = 0;
  int num_layers = 0;
  int num_logical_experts = 0;
  // Per layer, over all steps.
  std::vector<LoadSkew> layers = {};
  // Only of a dump.
  std::optional<DumpSummary> dump = {};

  double MostMaxOverMean() const {
    double most = 0;
    for (const LoadSkew& layer : layers) {
      most = std::max(most, layer.max_over_mean);
    }
    return most;
  }
};

absl::StatusOr<LoadSummary> Summarize(const std::string& name,
                                      CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const LoadFile file, ReadLoadFile(name));
  for (const std::string& warning : file.warnings) output.Warn(warning);
  const absl::StatusOr<ExpertLoads> sums = file.loads.SumOverSteps();
  if (!sums.ok()) return WithPlace(name, sums.status());
  LoadSummary summary{.name = name,
                      .format = file.format,
                      .num_steps = file.loads.num_steps(),
                      .num_layers = sums->num_layers(),
                      .num_logical_experts = sums->num_logical_experts()};
  for (int layer = 0; layer < sums->num_layers(); ++layer) {
    summary.layers.push_back(MeasureSkew(sums->layer(layer), kNumHottest));
  }
  if (file.format == FileFormat::kLoadDump) {
    EPLB_ASSIGN_OR_RETURN(summary.dump, SummarizeDump(name));
  }
  return summary;
}

std::string SummaryJson(const LoadSummary& summary) {
  JsonWriter json;
  json.BeginObject()
      .Field("format", "eplb.inspection/1")
      .Field("file", summary.name)
      .Field("kind", summary.dump ? "load_dump" : "loads")
      .Field("file_format", FileFormatName(summary.format))
      .Field("num_steps", summary.num_steps)
      .Field("num_layers", summary.num_layers)
      .Field("num_logical_experts", summary.num_logical_experts);
  if (summary.dump) {
    json.Field("model_name", summary.dump->model_name)
        .Field("world_size", summary.dump->world_size)
        .Field("num_physical_experts", summary.dump->num_physical_experts)
        .Field("window_size", summary.dump->window_size)
        .Field("first_step", summary.dump->first_step)
        .Field("last_step", summary.dump->last_step)
        .Field("balancedness", summary.dump->balancedness);
  }
  json.Field("max_over_mean", summary.MostMaxOverMean())
      .Key("layers")
      .BeginArray();
  for (const LoadSkew& layer : summary.layers) {
    json.BeginObject()
        .Field("total_load", layer.total_load)
        .Field("max_over_mean", layer.max_over_mean)
        .Field("idle_experts", layer.idle_experts)
        .Key("hottest_experts")
        .Integers(layer.hottest_experts)
        .EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

std::string SizesText(const LoadSummary& summary) {
  TextTable table({{.title = "", .left = true}, {.title = "", .left = true}});
  const std::optional<DumpSummary>& dump = summary.dump;
  if (dump) {
    table.AddRow({"model", dump->model_name});
    table.AddRow(
        {"windows", absl::StrCat(summary.num_steps, " of ", dump->window_size,
                                 " steps, from ", dump->first_step, " to ",
                                 dump->last_step)});
    table.AddRow({"ranks", absl::StrCat(dump->world_size)});
    table.AddRow(
        {"slots", absl::StrCat(dump->num_physical_experts, " per layer")});
    table.AddRow({"balancedness", absl::StrFormat("%.4f in the last window",
                                                  dump->balancedness)});
  } else {
    table.AddRow({"steps", absl::StrCat(summary.num_steps)});
  }
  table.AddRow({"layers", absl::StrCat(summary.num_layers)});
  table.AddRow({"experts", absl::StrCat(summary.num_logical_experts)});
  table.AddRow(
      {"max/mean load", absl::StrFormat("%.2f in the most uneven layer",
                                        summary.MostMaxOverMean())});
  return table.ToString(/*color=*/false);
}

std::string LayersText(const LoadSummary& summary, bool color) {
  constexpr size_t kMostLayers = 12;
  std::vector<int> shown(summary.layers.size());
  std::iota(shown.begin(), shown.end(), 0);
  std::string heading;
  if (shown.size() > kMostLayers) {
    std::stable_sort(shown.begin(), shown.end(), [&](int a, int b) {
      return summary.layers[a].max_over_mean > summary.layers[b].max_over_mean;
    });
    heading = absl::StrCat("the ", kMostLayers, " most uneven of ",
                           shown.size(), " layers\n");
    shown.resize(kMostLayers);
  }
  TextTable table({{"layer"},
                   {"total load"},
                   {"max/mean"},
                   {"idle experts"},
                   {"hottest experts", /*left=*/true}});
  for (const int layer : shown) {
    const LoadSkew& skew = summary.layers[layer];
    table.AddRow({absl::StrCat(layer), absl::StrCat(skew.total_load),
                  absl::StrFormat("%.2f", skew.max_over_mean),
                  absl::StrCat(skew.idle_experts),
                  absl::StrJoin(skew.hottest_experts, ", ")});
  }
  return absl::StrCat(heading, table.ToString(color));
}

}  // namespace

absl::Status InspectLoads(const std::string& name, const OutputFormat& format,
                          CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const LoadSummary summary, Summarize(name, output));
  if (format.is_json()) {
    output.Print(absl::StrCat(SummaryJson(summary), "\n"));
    return absl::OkStatus();
  }
  output.Print(absl::StrCat(
      name, ": ", summary.dump ? "a load dump" : "recorded loads", " (",
      FileFormatName(summary.format), ")\n", SizesText(summary), "\n",
      LayersText(summary, output.color())));
  return absl::OkStatus();
}

}  // namespace eplb
