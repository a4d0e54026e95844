// ForwardPass: the tokens of one rank on their way through all layers: chosen
// by the router, mapped to slots and counted, dispatched, worked on, brought
// back, and compared with the reference.
//
//   ForwardPass pass(options, parts);
//   EPLB_RETURN_IF_ERROR(pass.Run(step, traffic, layer_views, deadline));
//   pass.rank_loads(layer);

#ifndef EPLB_TOOLS_RUN_FORWARD_PASS_H_
#define EPLB_TOOLS_RUN_FORWARD_PASS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/state/layer_tables.h"
#include "kernels/device.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"
#include "tools/run/reference_model.h"
#include "tools/run/slot_weights.h"
#include "tools/run/token_dispatch.h"
#include "tools/run/token_traffic.h"

namespace eplb {

struct ForwardPassOptions {
  int rank = 0;
  int num_ranks = 1;
  int slots_per_rank = 1;
  int tokens = 64;  // Of this rank and step.
};

// What a pass works with; all of it outlives the pass.
struct ForwardPassParts {
  const ExpertModel* model = nullptr;
  const SlotWeights* weights = nullptr;
  TokenDispatch* dispatch = nullptr;
  Device* device = nullptr;
  Stream* stream = nullptr;
};

// Thread-compatible.
class ForwardPass {
 public:
  ForwardPass(const ForwardPassOptions& options, const ForwardPassParts& parts);

  // One pass; all ranks call. `views` are those of the layers: a layer routes
  // by its table and counts into its counters.
  absl::Status Run(int64_t step, TokenTraffic& traffic,
                   absl::Span<const LayerView> views, SteadyTime deadline);

  // The tokens that each rank worked on in `layer`, in the last pass.
  absl::Span<const int64_t> rank_loads(int layer) const {
    return rank_loads_[layer];
  }

  // Over all passes: how often the router chose each expert for tokens of this
  // rank, [layers, experts] row-major.
  absl::Span<const int64_t> expert_loads() const { return expert_loads_; }

  // Over all passes: outputs that were compared, and in a sentence the first
  // that was not that of the reference (empty: none).
  int64_t outputs_checked() const { return outputs_checked_; }
  const std::string& mismatch() const { return mismatch_; }

 private:
  // Takes the activations through one layer. `experts` are of its tokens.
  absl::Status RunLayer(int layer, const LayerView& view,
                        absl::Span<const int32_t> experts, SteadyTime deadline);
  Activation WorkOn(int layer, const DispatchedToken& token) const;
  void CompareOutputs(int64_t step);

  uint64_t TokenNumber(int64_t step, int index) const;

  const ForwardPassOptions options_;
  const ForwardPassParts parts_;
  ReferenceModel reference_;
  std::vector<std::vector<int64_t>> rank_loads_;
  std::vector<int64_t> expert_loads_;
  int64_t outputs_checked_ = 0;
  std::string mismatch_;

  // Of the pass that is on; kept for their memory.
  std::vector<uint64_t> tokens_;
  std::vector<Activation> activations_;
  std::vector<std::vector<int32_t>> experts_of_layer_;
  std::vector<int32_t> slots_;
  std::vector<DispatchedToken> dispatched_;
  std::vector<Activation> outputs_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_FORWARD_PASS_H_
