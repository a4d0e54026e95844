#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_CHANGE_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_CHANGE_H_

#include "policies/incremental_planner/working_placement.h"

namespace eplb {

// One elementary change of a placement and what it is worth.
struct PlacementChange {
  enum class Kind {
    kNone,
    kSwap,     // exchange the experts of `slot` and slot `other`
    kReplace,  // put a replica of expert `other` into `slot`
    kShift,    // the expert of `slot` takes the place of the replica in slot
               // `target`, and a replica of expert `other` takes its own
  };

  Kind kind = Kind::kNone;
  int slot = -1;
  int other = -1;
  int target = -1;
  // Penalty removed per moved slot; see PlacementChangeSelector.
  double value = 0.0;

  void ApplyTo(WorkingPlacement& placement) const {
    if (kind == Kind::kSwap) placement.Swap(slot, other);
    if (kind == Kind::kReplace) placement.Replace(slot, other);
    if (kind == Kind::kShift) {
      placement.Replace(target, placement.expert_of(slot));
      placement.Replace(slot, other);
    }
  }
};

// Keeps the change that removes the most penalty per moved slot.
class PlacementChangeSelector {
 public:
  // A change that costs no move still disturbs the placement; counting it as
  // a fifth of a move lets one that costs a move win when it is much better.
  static constexpr double kFreeChangeCost = 0.2;

  // `affordable` is the largest cost a change may have.
  explicit PlacementChangeSelector(int affordable) : affordable_(affordable) {}

  // Whether a change that removes at most `relief` at a cost of at least
  // `cost` could be the best.
  bool CouldBeBest(double relief, int cost) const {
    return cost <= affordable_ && relief > ReliefToBeat(cost);
  }
  double ReliefToBeat(int cost) const { return best_.value * CostUnits(cost); }

  // Offers a change; its value is worked out here.
  void Offer(PlacementChange change, double relief, int cost) {
    if (cost > affordable_) return;
    change.value = relief / CostUnits(cost);
    if (change.value > best_.value) best_ = change;
  }

  const PlacementChange& best() const { return best_; }

 private:
  // Rounding noise is no relief.
  static constexpr double kNegligible = 1e-9;

  static double CostUnits(int cost) {
    return cost > 0 ? static_cast<double>(cost) : kFreeChangeCost;
  }

  const int affordable_;
  PlacementChange best_ = {.value = kNegligible};
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_PLACEMENT_CHANGE_H_
