// TransferPlan: which rank sends which experts to whom, so that slots that
// hold an old placement come to hold a new one.
//
//   EPLB_ASSIGN_OR_RETURN(
//       TransferPlan plan,
//       TransferPlan::Create(old_placement, new_placement, topology, rank));
//   for (const SlotReceive& receive : plan.transfers(layer).receives) ...
//
// Every rank derives its own part from the same input, and the parts fit: the
// sends of one rank to another are the receives of that one, in the same
// order. A slot that keeps its expert does nothing; an expert that is on the
// rank already is copied there; otherwise the rank receives it once, from a
// holder on its own node if there is one, and fans it out. Senders are levelled
// in each layer and over all layers.

#ifndef EPLB_SHUFFLE_TRANSFER_PLAN_H_
#define EPLB_SHUFFLE_TRANSFER_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/topology.h"

namespace eplb {

// Slots are local.
struct SlotSend {
  int32_t expert = 0;
  int32_t destination_rank = 0;
  int32_t source_slot = 0;

  friend bool operator==(const SlotSend&, const SlotSend&) = default;
};

struct SlotReceive {
  int32_t expert = 0;
  int32_t source_rank = 0;
  int32_t destination_slot = 0;

  friend bool operator==(const SlotReceive&, const SlotReceive&) = default;
};

// From what a slot of the rank holds before the switch.
struct SlotCopy {
  int32_t expert = 0;
  int32_t source_slot = 0;
  int32_t destination_slot = 0;
  // Another expert comes into the source slot: it is to be saved before.
  bool source_is_overwritten = false;

  friend bool operator==(const SlotCopy&, const SlotCopy&) = default;
};

// A further slot for a received expert.
struct SlotFanOut {
  int32_t receive = 0;  // Position in the layer's receives.
  int32_t destination_slot = 0;

  friend bool operator==(const SlotFanOut&, const SlotFanOut&) = default;
};

// One rank's part in one layer.
struct LayerTransfers {
  absl::Span<const SlotSend> sends;
  absl::Span<const SlotReceive> receives;
  absl::Span<const SlotCopy> copies;
  absl::Span<const SlotFanOut> fan_outs;
};

// The placement that the group of a resize runs with. A growth runs on the new
// ranks, and `placement` is the old one: its slots stand where their ranks come
// to be, those of ranks that join are empty. A shrink runs on the old ranks,
// and `placement` is the new one: the slots of ranks that leave are empty.
// InvalidArgument when ranks both leave and join, or slots do not divide by
// ranks.
absl::StatusOr<Placement> PlacementInGroup(const Placement& placement,
                                           const RankMapping& mapping);

// Immutable.
class TransferPlan {
 public:
  // The part of `rank` in all layers. `topology` is that of the group, and the
  // slots of both placements are its ranks'. Inactive ranks take no part: what
  // they held is gone, and nothing may be placed on them. InvalidArgument when
  // sizes do not fit or an inactive rank gets an expert; DataLoss, naming
  // layer and expert, when no active rank holds an expert that is needed.
  static absl::StatusOr<TransferPlan> Create(const Placement& old_placement,
                                             const Placement& new_placement,
                                             const Topology& topology,
                                             int rank);

  int rank() const { return rank_; }
  int num_layers() const { return static_cast<int>(layers_.size()) - 1; }

  // Whether any slot of any rank holds something else afterwards.
  bool changes(int layer) const { return layers_[layer].changes; }

  LayerTransfers transfers(int layer) const;

  // The rows that the rank which needs most has to stage for the layer:
  // experts received, and local sources to be saved.
  int max_staged_rows(int layer) const {
    return layers_[layer].max_staged_rows;
  }

 private:
  friend class TransferPlanner;

  // Where the layer's entries begin.
  struct Layer {
    int32_t sends = 0;
    int32_t receives = 0;
    int32_t copies = 0;
    int32_t fan_outs = 0;
    int32_t max_staged_rows = 0;
    bool changes = false;
  };

  TransferPlan() = default;

  int rank_ = 0;
  std::vector<Layer> layers_;  // And one behind the last.
  std::vector<SlotSend> sends_;
  std::vector<SlotReceive> receives_;
  std::vector<SlotCopy> copies_;
  std::vector<SlotFanOut> fan_outs_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_TRANSFER_PLAN_H_
