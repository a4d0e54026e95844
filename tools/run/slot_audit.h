// SlotAudit: checks the bytes of every slot of a rank against what its layers'
// route tables say is there, whenever a table has changed.
//
//   SlotAudit audit(weights, rank, slots_per_rank, num_slots);
//   const bool changed = audit.CheckChanges(layer_views);  // After each step.
//   audit.CheckAll(placement);                             // At the end.
//   audit.wrong();  // Empty when all was right.

#ifndef EPLB_TOOLS_RUN_SLOT_AUDIT_H_
#define EPLB_TOOLS_RUN_SLOT_AUDIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/state/layer_tables.h"
#include "kernels/map_and_record.h"
#include "tools/run/slot_weights.h"

namespace eplb {

// Reads route tables in the memory of the host. Thread-compatible. The weights
// outlive it.
class SlotAudit {
 public:
  SlotAudit(const SlotWeights& weights, int rank, int slots_per_rank,
            int num_slots)
      : weights_(weights),
        rank_(rank),
        slots_per_rank_(slots_per_rank),
        num_slots_(num_slots) {}

  // Checks the slots of the layers whose table is not what it was at the last
  // call; whether there were any.
  bool CheckChanges(absl::Span<const LayerView> views);

  // Checks every slot, and that tables and placement say the same.
  void CheckAll(absl::Span<const LayerView> views, const Placement& placement);

  int64_t slots_checked() const { return slots_checked_; }
  // A sentence about the first that was wrong.
  const std::string& wrong() const { return wrong_; }

 private:
  void CheckLayer(int layer, absl::Span<const int32_t> experts_of_slots);
  void Note(int layer, int slot, const std::string& problem);
  // What the table says each slot of the group holds; kEmptySlot for those
  // that it does not name.
  std::vector<int32_t> ExpertsOfSlots(const RouteTableView& table) const;

  const SlotWeights& weights_;
  const int rank_;
  const int slots_per_rank_;
  const int num_slots_;
  std::vector<std::vector<int32_t>> experts_of_layer_;
  int64_t slots_checked_ = 0;
  std::string wrong_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_SLOT_AUDIT_H_
