#include "eplb/shuffle/unit_planner.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/layer_pieces.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/transfer_plan.h"

namespace eplb {
namespace {

class UnitPlanner {
 public:
  UnitPlanner(const Placement& before, const Placement& after,
              const Topology& topology, int rank,
              absl::Span<const size_t> bytes_per_expert,
              const UnitLimits& limits)
      : before_(before),
        after_(after),
        topology_(topology),
        rank_(rank),
        bytes_per_expert_(bytes_per_expert),
        limits_(limits),
        member_of_rank_(topology.num_ranks(), -1) {
    const absl::Span<const int> members = topology.active_ranks();
    for (size_t i = 0; i < members.size(); ++i) {
      member_of_rank_[members[i]] = static_cast<int32_t>(i);
    }
  }

  absl::StatusOr<ShuffleUnits> Plan() {
    EPLB_ASSIGN_OR_RETURN(
        const TransferPlan plan,
        TransferPlan::Create(before_, after_, topology_, rank_));
    for (int layer = 0; layer < plan.num_layers(); ++layer) {
      if (!plan.changes(layer)) continue;
      if (plan.max_staged_rows(layer) > limits_.max_rows) {
        EPLB_RETURN_IF_ERROR(AddPieces(layer));
        continue;
      }
      AddToUnit(Change(layer, before_.experts_of_slots(layer),
                       after_.experts_of_slots(layer), plan.transfers(layer)),
                plan.max_staged_rows(layer), BusiestSwitch(layer));
    }
    EndUnit();
    return std::move(units_);
  }

 private:
  LayerChange Change(int layer, absl::Span<const int32_t> before,
                     absl::Span<const int32_t> after,
                     const LayerTransfers& transfers) const {
    LayerChange change{
        .layer = layer,
        .old_experts = {before.begin(), before.end()},
        .new_experts = {after.begin(), after.end()},
        .sends = {transfers.sends.begin(), transfers.sends.end()},
        .receives = {transfers.receives.begin(), transfers.receives.end()},
        .copies = {transfers.copies.begin(), transfers.copies.end()},
        .fan_outs = {transfers.fan_outs.begin(), transfers.fan_outs.end()}};
    for (SlotSend& send : change.sends) {
      send.destination_rank = member_of_rank_[send.destination_rank];
    }
    for (SlotReceive& receive : change.receives) {
      receive.source_rank = member_of_rank_[receive.source_rank];
    }
    return change;
  }

  // What the switch of a layer writes, at most, on the rank that writes most.
  int64_t BusiestSwitch(int layer) const {
    const absl::Span<const int32_t> before = before_.experts_of_slots(layer);
    const absl::Span<const int32_t> after = after_.experts_of_slots(layer);
    const size_t slots_per_rank = after.size() / topology_.num_ranks();
    int64_t most = 0;
    for (size_t begin = 0; begin < after.size(); begin += slots_per_rank) {
      int64_t num_changed = 0;
      for (size_t slot = begin; slot < begin + slots_per_rank; ++slot) {
        num_changed += after[slot] != before[slot];
      }
      most = std::max(most, num_changed);
    }
    return most * static_cast<int64_t>(bytes_per_expert_[layer]);
  }

  // `switch_bytes` and `staged_rows` are those of the busiest rank, so that all
  // ranks put the same layers together.
  void AddToUnit(LayerChange change, int staged_rows, int64_t switch_bytes) {
    const bool is_full =
        unit_switch_bytes_ + switch_bytes > limits_.max_switch_bytes ||
        unit_.max_staged_rows + staged_rows > limits_.max_rows;
    if (is_full) EndUnit();
    unit_switch_bytes_ += switch_bytes;
    const auto bytes = static_cast<int64_t>(bytes_per_expert_[change.layer]);
    const size_t written =
        change.receives.size() + change.fan_outs.size() + change.copies.size();
    unit_.max_staged_rows += staged_rows;
    unit_.bytes_sent += bytes * static_cast<int64_t>(change.sends.size());
    unit_.bytes_received +=
        bytes * static_cast<int64_t>(change.receives.size());
    unit_.bytes_switched += bytes * static_cast<int64_t>(written);
    unit_.layers.push_back(std::move(change));
  }

  void EndUnit() {
    if (unit_.layers.empty()) return;
    units_.push_back(std::make_shared<const ShuffleUnit>(std::move(unit_)));
    unit_ = {};
    unit_switch_bytes_ = 0;
  }

  // Each in a unit of its own: it starts from what the one before installed.
  absl::Status AddPieces(int layer) {
    const int num_slots = before_.num_slots();
    const int num_experts = before_.num_logical_experts();
    std::vector<int32_t> now = LiveExperts(layer);
    const auto pieces =
        LayerPieces(now, after_.experts_of_slots(layer), num_experts,
                    num_slots / topology_.num_ranks(), limits_.max_rows);
    if (!pieces.ok()) {
      return absl::Status(
          pieces.status().code(),
          absl::StrCat("layer ", layer, ": ", pieces.status().message(), ", ",
                       2 * limits_.row_bytes, " bytes"));
    }
    EndUnit();
    bool is_first = true;
    for (const std::vector<int32_t>& next : *pieces) {
      EPLB_ASSIGN_OR_RETURN(const Placement from,
                            Placement::Create(1, num_experts, num_slots, now));
      EPLB_ASSIGN_OR_RETURN(const Placement to,
                            Placement::Create(1, num_experts, num_slots, next));
      EPLB_ASSIGN_OR_RETURN(const TransferPlan plan,
                            TransferPlan::Create(from, to, topology_, rank_));
      AddToUnit(Change(layer,
                       is_first ? before_.experts_of_slots(layer)
                                : from.experts_of_slots(0),
                       next, plan.transfers(0)),
                plan.max_staged_rows(0), /*switch_bytes=*/0);
      EndUnit();
      is_first = false;
      now = next;
    }
    return absl::OkStatus();
  }

  // What inactive ranks held is gone.
  std::vector<int32_t> LiveExperts(int layer) const {
    const absl::Span<const int32_t> row = before_.experts_of_slots(layer);
    std::vector<int32_t> experts(row.begin(), row.end());
    const size_t slots_per_rank = experts.size() / topology_.num_ranks();
    for (size_t slot = 0; slot < experts.size(); ++slot) {
      if (!topology_.is_active(static_cast<int>(slot / slots_per_rank))) {
        experts[slot] = Placement::kEmptySlot;
      }
    }
    return experts;
  }

  const Placement& before_;
  const Placement& after_;
  const Topology& topology_;
  const int rank_;
  const absl::Span<const size_t> bytes_per_expert_;
  const UnitLimits limits_;
  std::vector<int32_t> member_of_rank_;
  ShuffleUnit unit_;
  int64_t unit_switch_bytes_ = 0;
  ShuffleUnits units_;
};

}  // namespace

absl::StatusOr<ShuffleUnits> PlanUnits(
    const Placement& before, const Placement& after, const Topology& topology,
    int rank, absl::Span<const size_t> bytes_per_expert,
    const UnitLimits& limits) {
  return UnitPlanner(before, after, topology, rank, bytes_per_expert, limits)
      .Plan();
}

}  // namespace eplb
