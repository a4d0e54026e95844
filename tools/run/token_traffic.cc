#include "tools/run/token_traffic.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/recorded_loads.h"
#include "testing/deterministic_random.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

namespace eplb {
namespace {

template <typename Popularity>
void RunningSums(absl::Span<const Popularity> popularities,
                 std::vector<double>& sums) {
  sums.clear();
  double sum = 0;
  for (const Popularity popularity : popularities) {
    sum += static_cast<double>(popularity);
    sums.push_back(sum);
  }
}

}  // namespace

absl::StatusOr<TokenTraffic> TokenTraffic::Synthetic(const TrafficSpec& spec,
                                                     int num_layers,
                                                     int num_logical_experts,
                                                     uint64_t seed, int rank) {
  EPLB_ASSIGN_OR_RETURN(
      TrafficGenerator generator,
      TrafficGenerator::Create(spec, num_layers, num_logical_experts, seed));
  return TokenTraffic(std::move(generator), nullptr, seed, rank);
}

TokenTraffic TokenTraffic::Recorded(std::shared_ptr<const RecordedLoads> trace,
                                    uint64_t seed, int rank) {
  return TokenTraffic(std::nullopt, std::move(trace), seed, rank);
}

TokenTraffic::TokenTraffic(std::optional<TrafficGenerator> generator,
                           std::shared_ptr<const RecordedLoads> trace,
                           uint64_t seed, int rank)
    : generator_(std::move(generator)),
      trace_(std::move(trace)),
      random_(seed, static_cast<uint64_t>(rank)) {}

void TokenTraffic::DrawExperts(int layer, absl::Span<int32_t> experts) {
  SumPopularity(layer);
  for (size_t i = 0; i + kExpertsPerToken <= experts.size();
       i += kExpertsPerToken) {
    experts[i] = Draw(/*without=*/-1);
    experts[i + 1] = Draw(/*without=*/experts[i]);
  }
}

absl::Status TokenTraffic::NextStep() {
  ++step_;
  // Without tokens nothing is drawn, and the popularities drift.
  return generator_.has_value() ? generator_->Next(0).status()
                                : absl::OkStatus();
}

void TokenTraffic::SumPopularity(int layer) {
  if (generator_.has_value()) {
    RunningSums(generator_->Probabilities(layer), ends_);
    return;
  }
  const size_t experts = static_cast<size_t>(trace_->num_logical_experts());
  RunningSums(trace_->step(step_ % trace_->num_steps())
                  .subspan(static_cast<size_t>(layer) * experts, experts),
              ends_);
}

int32_t TokenTraffic::ExpertAt(double point) const {
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), point);
  if (end != ends_.end()) return static_cast<int32_t>(end - ends_.begin());
  // Rounding has taken the point to the very end: the last expert with any.
  return static_cast<int32_t>(
      std::lower_bound(ends_.begin(), ends_.end(), ends_.back()) -
      ends_.begin());
}

int32_t TokenTraffic::Draw(int32_t without) {
  const double uniform = random_.NextUniform();
  const double all = ends_.back();
  if (without < 0) return all > 0 ? ExpertAt(uniform * all) : -1;
  // Draw from the row with the interval of `without` cut out.
  const double begin = without == 0 ? 0 : ends_[without - 1];
  const double width = ends_[without] - begin;
  if (!(all - width > 0)) return -1;
  const double point = uniform * (all - width);
  const int32_t expert = ExpertAt(point < begin ? point : point + width);
  return expert == without ? -1 : expert;
}

}  // namespace eplb
