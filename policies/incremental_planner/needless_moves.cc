#include "policies/incremental_planner/needless_moves.h"

#include <limits>

#include "policies/incremental_planner/placement_change.h"
#include "policies/incremental_planner/rank_overload_penalty.h"
#include "policies/incremental_planner/replacement_relief.h"
#include "policies/incremental_planner/working_placement.h"

namespace eplb {
namespace {

using Kind = PlacementChange::Kind;

struct Undo {
  PlacementChange change;
  double relief = -std::numeric_limits<double>::infinity();

  void Consider(Kind kind, int slot, int other, double other_relief) {
    if (other_relief <= relief) return;
    change = {kind, slot, other};
    relief = other_relief;
  }
};

// The ways to bring `expert` home to the rank of the moved slot that cost
// `cost`, which is below 0.
void ConsiderReturn(const RankOverloadPenalty& penalty,
                    const WorkingPlacement& placement, int slot, int expert,
                    int cost, ReplacementRelief& exact, Undo& best) {
  const int rank = placement.rank_of(slot);
  const int stranger = placement.expert_of(slot);
  const double load = placement.rank_load(rank);
  const double rest = load - placement.weight(stranger);
  if (placement.ReplaceCost(slot, expert) == cost &&
      placement.count(stranger) > 1 &&
      rest + placement.weight_if_grown(expert) <= penalty.limit &&
      !placement.Holds(rank, expert)) {
    const double relief = exact.OfReplace(placement, penalty, slot, expert);
    if (exact.largest_touched_load() <= penalty.limit) {
      best.Consider(Kind::kReplace, slot, expert, relief);
    }
  }
  const double shift = placement.weight(stranger) - placement.weight(expert);
  if (load - shift > penalty.limit) return;
  for (int other = placement.first_slot(expert); other >= 0;
       other = placement.next_slot(other)) {
    const int other_rank = placement.rank_of(other);
    const double other_load = placement.rank_load(other_rank);
    if (other_rank == rank || other_load + shift > penalty.limit ||
        placement.SwapCost(slot, other) != cost ||
        !placement.MaySwap(slot, other)) {
      continue;
    }
    best.Consider(Kind::kSwap, slot, other,
                  penalty.Of(load) + penalty.Of(other_load) -
                      penalty.Of(load - shift) -
                      penalty.Of(other_load + shift));
  }
}

// The best change of such a cost that brings an expert home to the rank of the
// moved slot.
Undo FindUndo(const RankOverloadPenalty& penalty,
              const WorkingPlacement& placement, int slot, int cost,
              ReplacementRelief& exact) {
  Undo best;
  const int rank = placement.rank_of(slot);
  const int first = rank * placement.slots_per_rank();
  for (int i = 0; i < placement.slots_per_rank(); ++i) {
    const int expert = placement.ReferenceExpert(first + i);
    if (expert < 0 || placement.Surplus(rank, expert) >= 0) continue;
    ConsiderReturn(penalty, placement, slot, expert, cost, exact, best);
  }
  return best;
}

bool UndoSomeOfCost(const RankOverloadPenalty& penalty, int cost,
                    ReplacementRelief& exact, WorkingPlacement& placement) {
  const int before = placement.moved_slots();
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    if (!placement.IsMoved(slot)) continue;
    const Undo undo = FindUndo(penalty, placement, slot, cost, exact);
    undo.change.ApplyTo(placement);
  }
  return placement.moved_slots() < before;
}

}  // namespace

void UndoNeedlessMoves(const RankOverloadPenalty& penalty,
                       ReplacementRelief& exact, WorkingPlacement& placement) {
  // No change brings more than two experts home. Each round saves at least one
  // move, so this ends.
  for (const int cost : {-2, -1}) {
    while (UndoSomeOfCost(penalty, cost, exact, placement)) {
    }
  }
}

}  // namespace eplb
