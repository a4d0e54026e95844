#include "tools/run/forward_pass.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/layer_tables.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"
#include "tools/run/reference_model.h"
#include "tools/run/token_dispatch.h"
#include "tools/run/token_traffic.h"

namespace eplb {

ForwardPass::ForwardPass(const ForwardPassOptions& options,
                         const ForwardPassParts& parts)
    : options_(options),
      parts_(parts),
      reference_(*parts.model),
      rank_loads_(parts.model->num_layers()),
      expert_loads_(static_cast<size_t>(parts.model->num_layers()) *
                    parts.model->num_logical_experts()),
      tokens_(options.tokens),
      activations_(options.tokens),
      experts_of_layer_(
          parts.model->num_layers(),
          std::vector<int32_t>(static_cast<size_t>(options.tokens) *
                               kExpertsPerToken)),
      slots_(static_cast<size_t>(options.tokens) * kExpertsPerToken) {}

absl::Status ForwardPass::Run(int64_t step, TokenTraffic& traffic,
                              absl::Span<const LayerView> views,
                              SteadyTime deadline) {
  for (int i = 0; i < options_.tokens; ++i) {
    tokens_[i] = TokenNumber(step, i);
    activations_[i] = Embed(tokens_[i]);
  }
  for (size_t layer = 0; layer < views.size(); ++layer) {
    std::vector<int32_t>& experts = experts_of_layer_[layer];
    traffic.DrawExperts(static_cast<int>(layer), absl::MakeSpan(experts));
    int64_t* const loads =
        &expert_loads_[layer * parts_.model->num_logical_experts()];
    for (const int32_t expert : experts) {
      if (expert >= 0) ++loads[expert];
    }
    EPLB_RETURN_IF_ERROR(
        RunLayer(static_cast<int>(layer), views[layer], experts, deadline));
  }
  CompareOutputs(step);
  return absl::OkStatus();
}

absl::Status ForwardPass::RunLayer(int layer, const LayerView& view,
                                   absl::Span<const int32_t> experts,
                                   SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(
      parts_.device->MapAndRecord({.table = view.routes,
                                   .choice = ReplicaChoice::kSpread,
                                   .rank = options_.rank,
                                   .logical_ids = experts.data(),
                                   .id_type = IdType::kInt32,
                                   .num_tokens = options_.tokens,
                                   .top_k = kExpertsPerToken,
                                   .slot_ids = slots_.data(),
                                   .slot_counts = view.pass_counts},
                                  *parts_.stream));
  // The dispatch reads the slots on the host.
  EPLB_RETURN_IF_ERROR(parts_.stream->Synchronize(deadline));
  dispatched_.clear();
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i] < 0) continue;  // The router chose nobody.
    const size_t token = i / kExpertsPerToken;
    dispatched_.push_back({.token = tokens_[token],
                           .slot = slots_[i],
                           .padding = 0,
                           .input = activations_[token]});
  }
  outputs_.resize(dispatched_.size());
  EPLB_RETURN_IF_ERROR(parts_.dispatch->Forward(
      dispatched_,
      [&](const DispatchedToken& token) { return WorkOn(layer, token); },
      absl::MakeSpan(outputs_), deadline));
  rank_loads_[layer].assign(parts_.dispatch->rank_loads().begin(),
                            parts_.dispatch->rank_loads().end());
  size_t next = 0;
  for (int token = 0; token < options_.tokens; ++token) {
    Activation sum = {};
    for (int choice = 0; choice < kExpertsPerToken; ++choice) {
      if (slots_[token * kExpertsPerToken + choice] < 0) continue;
      AddGated(outputs_[next++], kGates[choice], sum);
    }
    activations_[token] = LeaveLayer(activations_[token], sum);
  }
  return absl::OkStatus();
}

Activation ForwardPass::WorkOn(int layer, const DispatchedToken& token) const {
  const int local_slot = token.slot - options_.rank * options_.slots_per_rank;
  return ComputeExpert(parts_.weights->Slice(layer, local_slot, token.token),
                       token.input);
}

void ForwardPass::CompareOutputs(int64_t step) {
  for (int i = 0; i < options_.tokens; ++i) {
    reference_.Begin(tokens_[i]);
    for (size_t layer = 0; layer < experts_of_layer_.size(); ++layer) {
      reference_.Forward(static_cast<int>(layer),
                         absl::MakeConstSpan(experts_of_layer_[layer])
                             .subspan(static_cast<size_t>(i) * kExpertsPerToken,
                                      kExpertsPerToken));
    }
    ++outputs_checked_;
    if (reference_.output() == activations_[i] || !mismatch_.empty()) continue;
    mismatch_ = absl::StrCat("rank ", options_.rank, ", step ", step,
                             ": the output of token ", i,
                             " is not that of the unbalanced reference");
  }
}

uint64_t ForwardPass::TokenNumber(int64_t step, int index) const {
  return (static_cast<uint64_t>(step) * options_.num_ranks + options_.rank) *
             options_.tokens +
         index;
}

}  // namespace eplb
