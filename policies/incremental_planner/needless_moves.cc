#include "policies/incremental_planner/needless_moves.h"

#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/replacement_relief.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

using Kind = PlacementChange::Kind;

struct Undo {
  PlacementChange change;
  int cost = 0;         // below 0: it saves moves
  double relief = 0.0;  // decides between those that save the same

  void Consider(Kind kind, int slot, int other, int other_cost,
                double other_relief) {
    if (other_cost > cost) return;
    if (other_cost == cost && other_relief <= relief) return;
    change = {kind, slot, other};
    cost = other_cost;
    relief = other_relief;
  }
};

// The ways to bring `expert` home to the rank of the moved slot.
void ConsiderReturn(const RankOverloadPenalty& penalty,
                    const WorkingPlacement& placement, int slot, int expert,
                    ReplacementRelief& exact, Undo& best) {
  const int rank = placement.rank_of(slot);
  const int stranger = placement.expert_of(slot);
  if (placement.count(stranger) > 1 && !placement.Holds(rank, expert)) {
    const int cost = placement.ReplaceCost(slot, expert);
    const double relief = exact.OfReplace(placement, penalty, slot, expert);
    if (cost < 0 && exact.largest_touched_load() <= penalty.limit) {
      best.Consider(Kind::kReplace, slot, expert, cost, relief);
    }
  }
  const double shift = placement.weight(stranger) - placement.weight(expert);
  const double load = placement.rank_load(rank);
  if (load - shift > penalty.limit) return;
  for (int other = placement.first_slot(expert); other >= 0;
       other = placement.next_slot(other)) {
    const int other_rank = placement.rank_of(other);
    const double other_load = placement.rank_load(other_rank);
    if (other_rank == rank || other_load + shift > penalty.limit) continue;
    const int cost = placement.SwapCost(slot, other);
    if (cost >= 0) continue;
    best.Consider(Kind::kSwap, slot, other, cost,
                  penalty.Of(load) + penalty.Of(other_load) -
                      penalty.Of(load - shift) -
                      penalty.Of(other_load + shift));
  }
}

Undo FindUndo(const RankOverloadPenalty& penalty,
              const WorkingPlacement& placement, ReplacementRelief& exact) {
  Undo best;
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    if (!placement.IsMoved(slot)) continue;
    const int rank = placement.rank_of(slot);
    const int first = rank * placement.slots_per_rank();
    for (int i = 0; i < placement.slots_per_rank(); ++i) {
      const int expert = placement.ReferenceExpert(first + i);
      if (expert < 0 || placement.Surplus(rank, expert) >= 0) continue;
      ConsiderReturn(penalty, placement, slot, expert, exact, best);
    }
  }
  return best;
}

}  // namespace

void UndoNeedlessMoves(const RankOverloadPenalty& penalty,
                       ReplacementRelief& exact, WorkingPlacement& placement) {
  // Each round saves at least one move, so this ends.
  while (true) {
    const Undo undo = FindUndo(penalty, placement, exact);
    if (undo.change.kind == Kind::kNone) return;
    undo.change.ApplyTo(placement);
  }
}

}  // namespace eplb
