#include "testing/traffic_generator.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "testing/deterministic_random.h"
#include "testing/fixed_math.h"
#include "testing/multinomial.h"
#include "testing/traffic.h"

namespace eplb {
namespace {

// The experts from the highest score to the lowest.
std::vector<int> ExpertsByScore(const std::vector<double>& scores) {
  std::vector<int> experts(scores.size());
  std::iota(experts.begin(), experts.end(), 0);
  std::sort(experts.begin(), experts.end(), [&scores](int a, int b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  return experts;
}

// Scales the shares to a sum of 1.
void Normalize(std::vector<double>& shares) {
  double sum = 0;
  for (const double share : shares) sum += share;
  for (double& share : shares) share /= sum;
}

// r^-S for the r-th hottest expert; uniform traffic is S = 0.
std::vector<double> ShareOfRank(const TrafficSpec& spec, int num_experts) {
  std::vector<double> shares(num_experts, 1.0);
  if (spec.skew == TrafficSkew::kZipf) {
    for (int i = 0; i < num_experts; ++i) {
      shares[i] = FixedPow(i + 1.0, -spec.strength);
    }
  }
  Normalize(shares);
  return shares;
}

// Rounds the cumulative sums: each count is off by less than one, the total
// not at all.
std::vector<int64_t> ExpectedCounts(int64_t tokens,
                                    absl::Span<const double> probabilities) {
  std::vector<int64_t> counts;
  counts.reserve(probabilities.size());
  double cumulative = 0;
  int64_t counted = 0;
  for (const double probability : probabilities) {
    cumulative += probability;
    const auto until = std::min(
        static_cast<int64_t>(static_cast<double>(tokens) * cumulative + 0.5),
        tokens);
    counts.push_back(until - counted);
    counted = until;
  }
  // What the rounding of the probabilities' own sum leaves over.
  counts.back() += tokens - counted;
  return counts;
}

absl::Status ValidateTokens(int64_t tokens_per_layer) {
  if (tokens_per_layer >= 0 && tokens_per_layer <= ExpertLoads::kMaxLoad) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tokens_per_layer is ", tokens_per_layer,
                   "; it must be in [0, ", ExpertLoads::kMaxLoad, "]"));
}

}  // namespace

absl::StatusOr<TrafficGenerator> TrafficGenerator::Create(
    const TrafficSpec& spec, int num_layers, int num_logical_experts,
    uint64_t seed) {
  EPLB_RETURN_IF_ERROR(spec.Validate());
  const ModelShape shape{.num_layers = num_layers,
                         .num_logical_experts = num_logical_experts};
  EPLB_RETURN_IF_ERROR(shape.Validate());
  return TrafficGenerator(spec, num_layers, num_logical_experts, seed);
}

TrafficGenerator::TrafficGenerator(const TrafficSpec& spec, int num_layers,
                                   int num_logical_experts, uint64_t seed)
    : spec_(spec),
      num_logical_experts_(num_logical_experts),
      share_of_rank_(ShareOfRank(spec, num_logical_experts)) {
  layers_.reserve(num_layers);
  for (int i = 0; i < num_layers; ++i) {
    const uint64_t stream = 2 * static_cast<uint64_t>(i);
    Layer layer{.drift_random = DeterministicRandom(seed, stream),
                .draw_random = DeterministicRandom(seed, stream + 1),
                .scores = std::vector<double>(num_logical_experts),
                .probabilities = std::vector<double>(num_logical_experts)};
    for (double& score : layer.scores) score = layer.drift_random.NextNormal();
    UpdateProbabilities(layer);
    layers_.push_back(std::move(layer));
  }
}

void TrafficGenerator::UpdateProbabilities(Layer& layer) const {
  if (spec_.skew != TrafficSkew::kLognormal) {
    const std::vector<int> experts = ExpertsByScore(layer.scores);
    for (int rank = 0; rank < num_logical_experts_; ++rank) {
      layer.probabilities[experts[rank]] = share_of_rank_[rank];
    }
    return;
  }
  for (int expert = 0; expert < num_logical_experts_; ++expert) {
    layer.probabilities[expert] =
        FixedExp(spec_.strength * layer.scores[expert]);
  }
  Normalize(layer.probabilities);
}

void TrafficGenerator::Drift(Layer& layer) const {
  if (spec_.drift == 1 || spec_.skew == TrafficSkew::kUniform) return;
  const double noise = std::sqrt(1 - spec_.drift * spec_.drift);
  for (double& score : layer.scores) {
    score = spec_.drift * score + noise * layer.drift_random.NextNormal();
  }
  UpdateProbabilities(layer);
}

absl::StatusOr<ExpertLoads> TrafficGenerator::Next(int64_t tokens_per_layer) {
  EPLB_RETURN_IF_ERROR(ValidateTokens(tokens_per_layer));
  std::vector<int64_t> loads;
  for (Layer& layer : layers_) {
    const std::vector<int64_t> counts = DrawMultinomial(
        tokens_per_layer, layer.probabilities, layer.draw_random);
    loads.insert(loads.end(), counts.begin(), counts.end());
    Drift(layer);
  }
  return ExpertLoads::Create(num_layers(), num_logical_experts_,
                             std::move(loads));
}

absl::StatusOr<ExpertLoads> TrafficGenerator::NextExpected(
    int64_t tokens_per_layer) {
  EPLB_RETURN_IF_ERROR(ValidateTokens(tokens_per_layer));
  std::vector<int64_t> loads;
  for (Layer& layer : layers_) {
    const std::vector<int64_t> counts =
        ExpectedCounts(tokens_per_layer, layer.probabilities);
    loads.insert(loads.end(), counts.begin(), counts.end());
    Drift(layer);
  }
  return ExpertLoads::Create(num_layers(), num_logical_experts_,
                             std::move(loads));
}

}  // namespace eplb
