#include "tools/traffic_source.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/load_file.h"
#include "eplb/load/recorded_loads.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"
#include "tools/command/command_output.h"

namespace eplb {
namespace {

constexpr absl::string_view kFilePrefix = "file:";

absl::StatusOr<RecordedLoads> MakeTrace(const TrafficSource& source,
                                        CommandOutput& output) {
  EPLB_ASSIGN_OR_RETURN(const TrafficSpec spec,
                        ParseTrafficSpec(source.traffic));
  const RecordedShape shape{.num_steps = source.steps,
                            .num_layers = source.layers,
                            .num_logical_experts = source.experts};
  EPLB_RETURN_IF_ERROR(shape.Validate());
  EPLB_ASSIGN_OR_RETURN(
      TrafficGenerator generator,
      TrafficGenerator::Create(spec, source.layers, source.experts,
                               static_cast<uint64_t>(source.seed)));
  std::vector<int64_t> loads;
  loads.reserve(static_cast<size_t>(shape.num_entries()));
  for (int step = 0; step < source.steps; ++step) {
    output.ShowProgress(absl::StrCat(
        "making traffic: ", 100 * int64_t{step} / source.steps, " %"));
    EPLB_ASSIGN_OR_RETURN(const ExpertLoads next,
                          generator.Next(TrafficSource::kTokensPerLayer));
    loads.insert(loads.end(), next.values().begin(), next.values().end());
  }
  return RecordedLoads::Create(shape, std::move(loads));
}

}  // namespace

std::string TrafficSource::file() const {
  absl::string_view name = traffic;
  return absl::ConsumePrefix(&name, kFilePrefix) ? std::string(name) : "";
}

absl::StatusOr<RecordedLoads> ObtainTrace(const TrafficSource& source,
                                          CommandOutput& output) {
  if (source.traffic == kFilePrefix) {
    return absl::InvalidArgumentError("traffic \"file:\": names no file");
  }
  const std::string name = source.file();
  if (name.empty()) {
    absl::StatusOr<RecordedLoads> trace = MakeTrace(source, output);
    if (!trace.ok()) return WithPlace("--traffic", trace.status());
    return trace;
  }
  EPLB_ASSIGN_OR_RETURN(LoadFile file, ReadLoadFile(name));
  for (const std::string& warning : file.warnings) output.Warn(warning);
  return std::move(file.loads);
}

}  // namespace eplb
