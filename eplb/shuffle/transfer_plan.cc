#include "eplb/shuffle/transfer_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/sender_levelling.h"

namespace eplb {
namespace {

absl::Status CheckSizes(const Placement& old_placement,
                        const Placement& new_placement,
                        const Topology& topology, int rank) {
  if (old_placement.num_layers() != new_placement.num_layers() ||
      old_placement.num_logical_experts() !=
          new_placement.num_logical_experts() ||
      old_placement.num_slots() != new_placement.num_slots()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the old placement has ", old_placement.num_layers(), " layers of ",
        old_placement.num_logical_experts(), " experts in ",
        old_placement.num_slots(), " slots, the new one ",
        new_placement.num_layers(), " of ", new_placement.num_logical_experts(),
        " in ", new_placement.num_slots()));
  }
  if (old_placement.num_slots() % topology.num_ranks() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(old_placement.num_slots(), " slots do not divide by ",
                     topology.num_ranks(), " ranks"));
  }
  if (rank < 0 || rank >= topology.num_ranks()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", rank, " is not in [0, ", topology.num_ranks(), ")"));
  }
  return absl::OkStatus();
}

absl::Status CheckInactiveRanks(const Placement& placement,
                                const Topology& topology) {
  const int slots_per_rank = placement.num_slots() / topology.num_ranks();
  for (int rank = 0; rank < topology.num_ranks(); ++rank) {
    if (topology.is_active(rank)) continue;
    for (int layer = 0; layer < placement.num_layers(); ++layer) {
      for (int slot = 0; slot < slots_per_rank; ++slot) {
        const int32_t expert =
            placement.expert_of_slot(layer, rank * slots_per_rank + slot);
        if (expert == Placement::kEmptySlot) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("layer ", layer, ": the new placement has expert ",
                         expert, " on rank ", rank, ", which is inactive"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

// Goes through all layers once to find what every rank needs. What has one
// possible sender is settled at once: only then are the senders of the rest
// chosen, knowing how busy each rank is anyway.
class TransferPlanner {
 public:
  TransferPlanner(const Placement& old_placement,
                  const Placement& new_placement, const Topology& topology,
                  int rank);

  absl::StatusOr<TransferPlan> Plan();

 private:
  // An expert that a rank receives. Kept where it concerns this rank or, with
  // a choice, might.
  struct Need {
    int32_t expert;
    int32_t destination_rank;
    int32_t destination_slot;
    int32_t source_rank;  // Or -1 - the choice.
  };

  absl::Status FindNeeds(int layer);
  absl::Status FindNeedsOfRank(int layer, int rank);
  void AddCopy(int32_t expert, int32_t source_slot, int32_t slot);
  absl::Status AddNeed(int layer, int32_t expert, int rank, int32_t slot);
  void FindCandidates(int layer, int32_t expert, int rank);
  void ListTransfers(int layer);
  int32_t LocalSourceSlot(int layer, int32_t expert) const;

  const Placement& old_;
  const Placement& new_;
  const Topology& topology_;
  const int num_ranks_;
  const int slots_per_rank_;
  const bool is_one_node_;

  std::vector<int32_t> rank_of_slot_;  // -1 where the rank is inactive.

  // What is known of an expert on the rank that is looked at. A stamp that is
  // not the current one means: nothing.
  struct ExpertOnRank {
    uint32_t held_stamp = 0;
    uint32_t saved_stamp = 0;
    uint32_t needed_stamp = 0;
    int32_t held_slot = 0;
    int32_t receive = 0;
  };
  std::vector<ExpertOnRank> experts_;
  uint32_t stamp_ = 0;

  std::vector<Need> needs_;
  std::vector<size_t> needs_of_layer_;  // Where they begin.
  std::vector<int32_t> candidates_;     // Of the need that is looked at.
  SenderLevelling levelling_;
  int32_t receives_of_layer_ = 0;  // This rank's.

  TransferPlan plan_;
};

TransferPlanner::TransferPlanner(const Placement& old_placement,
                                 const Placement& new_placement,
                                 const Topology& topology, int rank)
    : old_(old_placement),
      new_(new_placement),
      topology_(topology),
      num_ranks_(topology.num_ranks()),
      slots_per_rank_(old_placement.num_slots() / topology.num_ranks()),
      is_one_node_(topology.num_nodes() == 1),
      experts_(old_placement.num_logical_experts()),
      levelling_(old_placement.num_layers(), topology.num_ranks(),
                 topology.num_active_ranks()) {
  rank_of_slot_.reserve(old_placement.num_slots());
  for (int r = 0; r < num_ranks_; ++r) {
    rank_of_slot_.insert(rank_of_slot_.end(), slots_per_rank_,
                         topology.is_active(r) ? r : -1);
  }
  plan_.rank_ = rank;
  plan_.layers_.resize(old_placement.num_layers() + 1);
}

absl::StatusOr<TransferPlan> TransferPlanner::Plan() {
  for (int layer = 0; layer < old_.num_layers(); ++layer) {
    needs_of_layer_.push_back(needs_.size());
    EPLB_RETURN_IF_ERROR(FindNeeds(layer));
  }
  needs_of_layer_.push_back(needs_.size());
  levelling_.Choose();
  for (int layer = 0; layer < old_.num_layers(); ++layer) ListTransfers(layer);
  TransferPlan::Layer& end = plan_.layers_.back();
  end.sends = static_cast<int32_t>(plan_.sends_.size());
  end.receives = static_cast<int32_t>(plan_.receives_.size());
  end.copies = static_cast<int32_t>(plan_.copies_.size());
  end.fan_outs = static_cast<int32_t>(plan_.fan_outs_.size());
  return std::move(plan_);
}

absl::Status TransferPlanner::FindNeeds(int layer) {
  TransferPlan::Layer& planned = plan_.layers_[layer];
  planned.copies = static_cast<int32_t>(plan_.copies_.size());
  planned.fan_outs = static_cast<int32_t>(plan_.fan_outs_.size());
  receives_of_layer_ = 0;
  planned.changes =
      old_.experts_of_slots(layer) != new_.experts_of_slots(layer);
  if (!planned.changes) return absl::OkStatus();
  for (const int rank : topology_.active_ranks()) {
    EPLB_RETURN_IF_ERROR(FindNeedsOfRank(layer, rank));
  }
  return absl::OkStatus();
}

absl::Status TransferPlanner::FindNeedsOfRank(int layer, int rank) {
  const size_t first_slot = static_cast<size_t>(rank) * slots_per_rank_;
  const int32_t* const before = &old_.experts_of_slots(layer)[first_slot];
  const int32_t* const after = &new_.experts_of_slots(layer)[first_slot];
  ++stamp_;
  for (int32_t slot = 0; slot < slots_per_rank_; ++slot) {
    if (before[slot] == Placement::kEmptySlot) continue;
    ExpertOnRank& held = experts_[before[slot]];
    // A slot that keeps the expert is the better source: it needs no saving.
    if (held.held_stamp == stamp_ && before[slot] != after[slot]) continue;
    held.held_stamp = stamp_;
    held.held_slot = slot;
  }
  int32_t staged_rows = 0;
  for (int32_t slot = 0; slot < slots_per_rank_; ++slot) {
    const int32_t expert = after[slot];
    if (expert == before[slot] || expert == Placement::kEmptySlot) continue;
    ExpertOnRank& known = experts_[expert];
    if (known.held_stamp == stamp_) {
      const bool is_overwritten =
          after[known.held_slot] != expert &&
          after[known.held_slot] != Placement::kEmptySlot;
      if (is_overwritten && known.saved_stamp != stamp_) {
        known.saved_stamp = stamp_;
        ++staged_rows;
      }
      if (rank == plan_.rank_) {
        plan_.copies_.push_back(
            {expert, known.held_slot, slot, is_overwritten});
      }
    } else if (known.needed_stamp == stamp_) {
      if (rank == plan_.rank_) {
        plan_.fan_outs_.push_back({known.receive, slot});
      }
    } else {
      known.needed_stamp = stamp_;
      ++staged_rows;
      if (rank == plan_.rank_) known.receive = receives_of_layer_++;
      EPLB_RETURN_IF_ERROR(AddNeed(layer, expert, rank, slot));
    }
  }
  int32_t& most = plan_.layers_[layer].max_staged_rows;
  most = std::max(most, staged_rows);
  return absl::OkStatus();
}

absl::Status TransferPlanner::AddNeed(int layer, int32_t expert, int rank,
                                      int32_t slot) {
  FindCandidates(layer, expert, rank);
  if (candidates_.empty()) {
    return absl::DataLossError(
        absl::StrCat("layer ", layer, ": no active rank holds expert ", expert,
                     ", which rank ", rank, " is to hold"));
  }
  if (candidates_.size() > 1) {
    const int32_t choice = levelling_.AddChoice(layer, candidates_);
    needs_.push_back({expert, rank, slot, -1 - choice});
    return absl::OkStatus();
  }
  const int32_t source = candidates_[0];
  levelling_.AddForced(layer, source);
  if (source == plan_.rank_ || rank == plan_.rank_) {
    needs_.push_back({expert, rank, slot, source});
  }
  return absl::OkStatus();
}

// The active holders on the node of `rank`, else all active ones.
void TransferPlanner::FindCandidates(int layer, int32_t expert, int rank) {
  candidates_.clear();
  const int node = topology_.node_of_rank(rank);
  bool on_node = false;
  for (const int32_t slot : old_.slots_of_expert(layer, expert)) {
    const int32_t holder = rank_of_slot_[slot];
    if (holder < 0) continue;
    if (!is_one_node_) {
      const bool is_near = topology_.node_of_rank(holder) == node;
      if (is_near && !on_node) {
        on_node = true;
        candidates_.clear();
      }
      if (!is_near && on_node) continue;
    }
    // Slots rise, so that those of one rank follow each other.
    if (!candidates_.empty() && candidates_.back() == holder) continue;
    candidates_.push_back(holder);
  }
}

void TransferPlanner::ListTransfers(int layer) {
  plan_.layers_[layer].sends = static_cast<int32_t>(plan_.sends_.size());
  plan_.layers_[layer].receives = static_cast<int32_t>(plan_.receives_.size());
  for (size_t i = needs_of_layer_[layer]; i < needs_of_layer_[layer + 1]; ++i) {
    const Need& need = needs_[i];
    const int32_t source = need.source_rank >= 0
                               ? need.source_rank
                               : levelling_.sender(-1 - need.source_rank);
    if (source == plan_.rank_) {
      plan_.sends_.push_back({need.expert, need.destination_rank,
                              LocalSourceSlot(layer, need.expert)});
    }
    if (need.destination_rank == plan_.rank_) {
      plan_.receives_.push_back({need.expert, source, need.destination_slot});
    }
  }
}

int32_t TransferPlanner::LocalSourceSlot(int layer, int32_t expert) const {
  for (const int32_t slot : old_.slots_of_expert(layer, expert)) {
    if (rank_of_slot_[slot] == plan_.rank_) return slot % slots_per_rank_;
  }
  return -1;  // Not reached: the rank was a candidate.
}

absl::StatusOr<Placement> PlacementInGroup(const Placement& placement,
                                           const RankMapping& mapping) {
  bool leaves = false;
  for (int rank = 0; rank < mapping.num_old_ranks(); ++rank) {
    leaves = leaves || mapping.NewRank(rank) == RankMapping::kNone;
  }
  bool joins = false;
  for (int rank = 0; rank < mapping.num_new_ranks(); ++rank) {
    joins = joins || mapping.OldRank(rank) == RankMapping::kNone;
  }
  if (leaves && joins) {
    return absl::InvalidArgumentError(
        "a resize has ranks that leave or ranks that join, not both");
  }
  const int num_ranks =
      leaves ? mapping.num_new_ranks() : mapping.num_old_ranks();
  const int num_group_ranks =
      leaves ? mapping.num_old_ranks() : mapping.num_new_ranks();
  if (placement.num_slots() % num_ranks != 0) {
    return absl::InvalidArgumentError(absl::StrCat(placement.num_slots(),
                                                   " slots do not divide by ",
                                                   num_ranks, " ranks"));
  }
  const int64_t width = placement.num_slots() / num_ranks;
  const int64_t group_slots = width * num_group_ranks;
  std::vector<int32_t> experts(placement.num_layers() * group_slots,
                               Placement::kEmptySlot);
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const absl::Span<const int32_t> row = placement.experts_of_slots(layer);
    for (int rank = 0; rank < num_ranks; ++rank) {
      const int group_rank =
          leaves ? mapping.OldRank(rank) : mapping.NewRank(rank);
      std::copy_n(row.begin() + rank * width, width,
                  experts.begin() + layer * group_slots + group_rank * width);
    }
  }
  return Placement::Create(placement.num_layers(),
                           placement.num_logical_experts(),
                           static_cast<int>(group_slots), std::move(experts));
}

absl::StatusOr<TransferPlan> TransferPlan::Create(
    const Placement& old_placement, const Placement& new_placement,
    const Topology& topology, int rank) {
  EPLB_RETURN_IF_ERROR(
      CheckSizes(old_placement, new_placement, topology, rank));
  EPLB_RETURN_IF_ERROR(CheckInactiveRanks(new_placement, topology));
  return TransferPlanner(old_placement, new_placement, topology, rank).Plan();
}

LayerTransfers TransferPlan::transfers(int layer) const {
  const Layer& begin = layers_[layer];
  const Layer& end = layers_[layer + 1];
  const auto part = [](const auto& all, int32_t first, int32_t behind) {
    return absl::MakeConstSpan(all).subspan(first, behind - first);
  };
  return {part(sends_, begin.sends, end.sends),
          part(receives_, begin.receives, end.receives),
          part(copies_, begin.copies, end.copies),
          part(fan_outs_, begin.fan_outs, end.fan_outs)};
}

}  // namespace eplb
