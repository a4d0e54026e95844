// ShuffleUnit: what one transaction moves. Made by WeightShuffler::Plan; equal
// on all ranks but for each rank's own transfers.

#ifndef EPLB_SHUFFLE_SHUFFLE_UNIT_H_
#define EPLB_SHUFFLE_SHUFFLE_UNIT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "eplb/shuffle/transfer_plan.h"

namespace eplb {

// One layer from one valid placement to another.
struct LayerChange {
  int layer = 0;
  // The expert of every slot of the group, before and after. Between pieces of
  // a layer neither need be the placement that was planned.
  std::vector<int32_t> old_experts;
  std::vector<int32_t> new_experts;

  // This rank's part. The ranks are those of the channels: the active ranks in
  // order.
  std::vector<SlotSend> sends;
  std::vector<SlotReceive> receives;
  std::vector<SlotCopy> copies;
  std::vector<SlotFanOut> fan_outs;

  LayerTransfers transfers() const {
    return {sends, receives, copies, fan_outs};
  }
};

struct ShuffleUnit {
  std::vector<LayerChange> layers;  // Rising.
  // Staging that the rank which needs most fills.
  int max_staged_rows = 0;
  // This rank's traffic: what it sends, receives, and writes into live slots.
  int64_t bytes_sent = 0;
  int64_t bytes_received = 0;
  int64_t bytes_switched = 0;
};

// "layer 3" or "layers 3, 4", for messages.
std::string DescribeLayers(const ShuffleUnit& unit);

using ShuffleUnits = std::vector<std::shared_ptr<const ShuffleUnit>>;

}  // namespace eplb

#endif  // EPLB_SHUFFLE_SHUFFLE_UNIT_H_
