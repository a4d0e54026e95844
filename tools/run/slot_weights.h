// SlotWeights: the memory of a rank's slots, and the experts in it.
//
//   SlotWeights weights(model, slots_per_rank);
//   weights.Fill(placement, rank);
//   EPLB_ASSIGN_OR_RETURN(ExpertWeights view, weights.View());
//   ... the balancer moves experts ...
//   std::string wrong = weights.WhatIsWrong(layer, slot, expert);

#ifndef EPLB_TOOLS_RUN_SLOT_WEIGHTS_H_
#define EPLB_TOOLS_RUN_SLOT_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/shuffle/expert_weights.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"

namespace eplb {

// Thread-compatible. The model outlives it. Slots are local.
class SlotWeights {
 public:
  SlotWeights(const ExpertModel& model, int slots_per_rank);

  // As an engine that loads a checkpoint: every slot of `rank` gets the bytes
  // of its expert.
  void Fill(const Placement& placement, int rank);

  // What the balancer moves. Points into this object.
  absl::StatusOr<ExpertWeights> View();

  // Where the token's matrices are in the slot's own bytes.
  ExpertSlice Slice(int layer, int slot, uint64_t token) const;

  // As ExpertModel: empty when all bytes of the slot are the expert's.
  std::string WhatIsWrong(int layer, int slot, int expert) const;

 private:
  size_t Row(int layer, int slot) const {
    return static_cast<size_t>(layer) * slots_per_rank_ + slot;
  }
  absl::Span<std::byte> Weights(int layer, int slot);
  absl::Span<std::byte> Scales(int layer, int slot);
  const std::byte* weights(int layer, int slot) const {
    return weights_.data() + Row(layer, slot) * model_.weight_bytes();
  }
  const std::byte* scales(int layer, int slot) const {
    return reinterpret_cast<const std::byte*>(scales_.data() +
                                              Row(layer, slot) * kHiddenSize);
  }

  const ExpertModel& model_;
  const int slots_per_rank_;
  std::vector<std::byte> weights_;  // [layers, slots, weight_bytes]
  std::vector<int32_t> scales_;     // [layers, slots, hidden]
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_SLOT_WEIGHTS_H_
