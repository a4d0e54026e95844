// TokenTraffic: which experts the router of each layer picks for the tokens of
// one rank, from made-up or recorded popularity.
//
//   EPLB_ASSIGN_OR_RETURN(TokenTraffic traffic,
//                         TokenTraffic::Synthetic(spec, shape, seed, rank));
//   while (...) {
//     for (int layer = 0; layer < num_layers; ++layer) {
//       traffic.DrawExperts(layer, absl::MakeSpan(experts));
//     }
//     EPLB_RETURN_IF_ERROR(traffic.NextStep());
//   }
//
// Popularity is the same on all ranks of a seed; the draws are each rank's own.

#ifndef EPLB_TOOLS_RUN_TOKEN_TRAFFIC_H_
#define EPLB_TOOLS_RUN_TOKEN_TRAFFIC_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/load/recorded_loads.h"
#include "testing/deterministic_random.h"
#include "testing/traffic.h"
#include "testing/traffic_generator.h"

namespace eplb {

// The experts that a router picks for a token in a layer, the best first.
inline constexpr int kExpertsPerToken = 2;

// Thread-compatible.
class TokenTraffic {
 public:
  static absl::StatusOr<TokenTraffic> Synthetic(const TrafficSpec& spec,
                                                int num_layers,
                                                int num_logical_experts,
                                                uint64_t seed, int rank);

  // Step after step of `trace`, and again from its beginning.
  static TokenTraffic Recorded(std::shared_ptr<const RecordedLoads> trace,
                               uint64_t seed, int rank);

  // Fills `experts`, kExpertsPerToken for each token: experts of positive
  // popularity, none twice for a token; -1 where there are not so many.
  void DrawExperts(int layer, absl::Span<int32_t> experts);

  // Goes on to the popularity of the next step.
  absl::Status NextStep();

 private:
  TokenTraffic(std::optional<TrafficGenerator> generator,
               std::shared_ptr<const RecordedLoads> trace, uint64_t seed,
               int rank);

  // Sets `ends_` to the running sums of the layer's popularities.
  void SumPopularity(int layer);
  // The expert that `point` of [0, ends_.back()) falls on.
  int32_t ExpertAt(double point) const;
  // One draw with `without`, unless -1, left out.
  int32_t Draw(int32_t without);

  // One of the two.
  std::optional<TrafficGenerator> generator_;
  std::shared_ptr<const RecordedLoads> trace_;
  int64_t step_ = 0;
  DeterministicRandom random_;
  std::vector<double> ends_;  // Kept for its memory.
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_TOKEN_TRAFFIC_H_
