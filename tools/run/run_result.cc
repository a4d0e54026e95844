#include "tools/run/run_result.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/json_writer.h"
#include "tools/byte_count.h"
#include "tools/command/text_table.h"

namespace eplb {
namespace {

std::string YesOrNo(bool yes) { return yes ? "yes" : "no"; }

std::string Milliseconds(double seconds) {
  return absl::StrFormat("%.2f ms", seconds * 1e3);
}

}  // namespace

absl::Status RankFigures::Gather(Communicator& communicator,
                                 SteadyTime deadline) {
  static_assert(std::is_trivially_copyable_v<RankFigures>);
  const RankFigures mine = *this;
  std::vector<RankFigures> all(communicator.size());
  EPLB_RETURN_IF_ERROR(communicator.AllGather(
      {&mine, sizeof(mine)}, {all.data(), all.size() * sizeof(mine)},
      deadline));
  *this = {};
  for (const RankFigures& figures : all) {
    weights_verified &= figures.weights_verified;
    outputs_match &= figures.outputs_match;
    slots_checked += figures.slots_checked;
    outputs_checked += figures.outputs_checked;
    longest_stall_ns = std::max(longest_stall_ns, figures.longest_stall_ns);
    total_stall_ns = std::max(total_stall_ns, figures.total_stall_ns);
  }
  return absl::OkStatus();
}

std::string RunResultJson(const RunResult& result) {
  const RankFigures& figures = result.figures;
  JsonWriter json;
  json.BeginObject()
      .Field("format", "eplb.run/1")
      .Field("backend", result.backend)
      .Field("num_ranks", result.num_ranks)
      .Field("steps", result.steps)
      .Field("policy", result.policy)
      .Field("use_async", result.use_async)
      .Field("balancedness_before", result.balancedness_before)
      .Field("balancedness_after", result.balancedness_after)
      .Field("rearrangements", result.rearrangements)
      .Field("moved_slots", result.moved_slots)
      .Field("moved_bytes", result.moved_bytes)
      .Field("longest_stall_seconds", result.longest_stall_seconds())
      .Field("total_stall_seconds", result.total_stall_seconds())
      .Field("weights_verified", figures.weights_verified != 0)
      .Field("outputs_match", figures.outputs_match != 0)
      .EndObject();
  return json.Take();
}

std::string RunResultText(const RunResult& result, bool color) {
  const RankFigures& figures = result.figures;
  TextTable table({{.title = "", .left = true}, {.title = "", .left = true}});
  const auto row = [&](absl::string_view name, std::string value) {
    table.AddRow({std::string(name), std::move(value)});
  };
  row("ranks", absl::StrCat(result.num_ranks, " (", result.backend, ")"));
  row("steps", absl::StrCat(result.steps));
  row("policy", absl::StrCat(result.policy,
                             result.use_async ? ", in the background" : ""));
  row("balancedness before",
      absl::StrFormat("%.3f", result.balancedness_before));
  row("balancedness after", absl::StrFormat("%.3f", result.balancedness_after));
  row("rearrangements", absl::StrCat(result.rearrangements));
  row("slots moved", absl::StrCat(result.moved_slots));
  row("bytes moved", ByteCount(static_cast<double>(result.moved_bytes)));
  row("longest stall", Milliseconds(result.longest_stall_seconds()));
  row("total stall", Milliseconds(result.total_stall_seconds()));
  return absl::StrCat(
      table.ToString(color),
      "\nweights verified: ", YesOrNo(figures.weights_verified != 0), " (",
      figures.slots_checked,
      " slots)\noutputs match: ", YesOrNo(figures.outputs_match != 0), " (",
      figures.outputs_checked, " tokens)\n");
}

}  // namespace eplb
