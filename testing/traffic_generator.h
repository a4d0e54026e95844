// TrafficGenerator: synthetic loads, the same for the same seed everywhere.
//
//   EPLB_ASSIGN_OR_RETURN(TrafficSpec spec, ParseTrafficSpec("zipf:1.0"));
//   EPLB_ASSIGN_OR_RETURN(
//       TrafficGenerator traffic,
//       TrafficGenerator::Create(spec, /*num_layers=*/58,
//                                /*num_logical_experts=*/256, /*seed=*/1));
//   EPLB_ASSIGN_OR_RETURN(ExpertLoads loads,
//                         traffic.Next(/*tokens_per_layer=*/100000));
//
// Each expert of each layer has a score, at first a normal variate of its own,
// which drifts by an AR(1) process that keeps its distribution: after a step it
// is RHO times itself plus sqrt(1 - RHO^2) times a new normal variate. The
// expected share of tokens of an expert is in proportion to
//
//   lognormal:SIGMA  exp(SIGMA * score): AR(1) drift on the log load
//   zipf:S           r^-S, where the score is the r-th highest of its layer:
//                    the layer stays exactly as skewed, and drift changes which
//                    experts are hot
//   uniform          1, whatever the score: drift changes nothing
//
// A layer's loads depend on the seed and its index, not on the other layers.

#ifndef EPLB_TESTING_TRAFFIC_GENERATOR_H_
#define EPLB_TESTING_TRAFFIC_GENERATOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "testing/deterministic_random.h"
#include "testing/traffic.h"

namespace eplb {

// Thread-compatible. A copy goes on with the same loads, for itself.
class TrafficGenerator {
 public:
  // InvalidArgument unless the spec is valid, there is a layer and an expert,
  // and no more than kMaxTableEntries (eplb/core/model_shape.h) in all.
  static absl::StatusOr<TrafficGenerator> Create(const TrafficSpec& spec,
                                                 int num_layers,
                                                 int num_logical_experts,
                                                 uint64_t seed);

  int num_layers() const { return static_cast<int>(layers_.size()); }
  int num_logical_experts() const { return num_logical_experts_; }

  // The expected share of each expert in the loads of the coming step; they
  // add up to 1.
  absl::Span<const double> Probabilities(int layer) const {
    return layers_[layer].probabilities;
  }

  // The loads of a step, drawn from Probabilities as a multinomial; then the
  // scores drift. Each layer adds up to `tokens_per_layer`. InvalidArgument
  // unless that is in [0, ExpertLoads::kMaxLoad].
  absl::StatusOr<ExpertLoads> Next(int64_t tokens_per_layer);

  // As Next, without the noise of drawing: every load is its expectation,
  // rounded up or down so that the layer adds up.
  absl::StatusOr<ExpertLoads> NextExpected(int64_t tokens_per_layer);

 private:
  struct Layer {
    // Of their own, so that the draws do not change the drift.
    DeterministicRandom drift_random;
    DeterministicRandom draw_random;
    std::vector<double> scores;
    std::vector<double> probabilities;
  };

  TrafficGenerator(const TrafficSpec& spec, int num_layers,
                   int num_logical_experts, uint64_t seed);

  // Sets the probabilities from the scores.
  void UpdateProbabilities(Layer& layer) const;
  void Drift(Layer& layer) const;

  TrafficSpec spec_;
  int num_logical_experts_;
  // Of the r-th hottest expert, where the skew says that.
  std::vector<double> share_of_rank_;
  std::vector<Layer> layers_;
};

}  // namespace eplb

#endif  // EPLB_TESTING_TRAFFIC_GENERATOR_H_
