#include "eplb/shuffle/layer_pieces.h"

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

namespace eplb {
namespace {

// Makes one step after the other. A move changes one slot or two, brings at
// least one of them its final expert, and leaves final slots alone: so there is
// an end.
class PieceMaker {
 public:
  PieceMaker(absl::Span<const int32_t> before, absl::Span<const int32_t> after,
             int num_logical_experts, int slots_per_rank, int max_changed_slots)
      : experts_(before.begin(), before.end()),
        after_(after),
        slots_per_rank_(slots_per_rank),
        max_changed_slots_(max_changed_slots),
        replicas_(num_logical_experts),
        is_changed_(before.size()),
        changed_of_rank_(before.size() / slots_per_rank) {
    for (const int32_t expert : before) {
      if (expert != Placement::kEmptySlot) ++replicas_[expert];
    }
  }

  bool is_done() const {
    return std::equal(experts_.begin(), experts_.end(), after_.begin());
  }
  const std::vector<int32_t>& experts() const { return experts_; }

  // One step. Whether it moves anything.
  bool Step() {
    std::fill(is_changed_.begin(), is_changed_.end(), false);
    std::fill(changed_of_rank_.begin(), changed_of_rank_.end(), 0);
    bool has_moved = false;
    for (int slot = 0; slot < static_cast<int>(experts_.size()); ++slot) {
      if (MayChange(slot) && (Fill(slot) || SwapIn(slot) || SwapOut(slot))) {
        has_moved = true;
      }
    }
    return has_moved;
  }

 private:
  bool MayChange(int slot) const {
    return experts_[slot] != after_[slot] && !is_changed_[slot];
  }

  // Whether the rank of `slot` has room for a row, and that of `other` too.
  bool HasRoom(int slot) const {
    return changed_of_rank_[slot / slots_per_rank_] < max_changed_slots_;
  }
  bool HaveRoom(int slot, int other) const {
    const int needed = slot / slots_per_rank_ == other / slots_per_rank_;
    return HasRoom(slot) && HasRoom(other) &&
           changed_of_rank_[slot / slots_per_rank_] + needed <
               max_changed_slots_;
  }

  // Whether another slot holds what `slot` does, after this step too.
  bool IsSpare(int slot) const {
    return experts_[slot] == Placement::kEmptySlot ||
           replicas_[experts_[slot]] > 1;
  }

  void Change(int slot, int32_t expert) {
    if (experts_[slot] != Placement::kEmptySlot) --replicas_[experts_[slot]];
    if (expert != Placement::kEmptySlot) {
      ++replicas_[expert];
      ++changed_of_rank_[slot / slots_per_rank_];
    }
    experts_[slot] = expert;
    is_changed_[slot] = true;
  }

  // What the slot holds is not needed there.
  bool Fill(int slot) {
    if (!IsSpare(slot)) return false;
    if (after_[slot] != Placement::kEmptySlot && !HasRoom(slot)) return false;
    Change(slot, after_[slot]);
    return true;
  }

  // Trades with a slot that has the expert and is not to keep it.
  bool SwapIn(int slot) {
    if (after_[slot] == Placement::kEmptySlot) return false;
    for (size_t other = 0; other < experts_.size(); ++other) {
      if (experts_[other] != after_[slot] ||
          !MayChange(static_cast<int>(other)) ||
          !HaveRoom(slot, static_cast<int>(other))) {
        continue;
      }
      Swap(slot, static_cast<int>(other));
      return true;
    }
    return false;
  }

  // Takes the last replica to a slot that is to hold it.
  bool SwapOut(int slot) {
    for (size_t i = 0; i < experts_.size(); ++i) {
      const int other = static_cast<int>(i);
      if (after_[i] != experts_[slot] || !MayChange(other)) continue;
      if (IsSpare(other) && HasRoom(other)) {
        const int32_t expert = after_[slot];
        const bool brings_row = expert != Placement::kEmptySlot;
        if (brings_row && !HaveRoom(slot, other)) continue;
        Change(other, experts_[slot]);
        Change(slot, expert);
        return true;
      }
      if (!HaveRoom(slot, other)) continue;
      Swap(slot, other);
      return true;
    }
    return false;
  }

  void Swap(int slot, int other) {
    const int32_t expert = experts_[slot];
    Change(slot, experts_[other]);
    Change(other, expert);
  }

  std::vector<int32_t> experts_;
  const absl::Span<const int32_t> after_;
  const int slots_per_rank_;
  const int max_changed_slots_;
  std::vector<int32_t> replicas_;
  std::vector<bool> is_changed_;
  std::vector<int> changed_of_rank_;
};

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> LayerPieces(
    absl::Span<const int32_t> before, absl::Span<const int32_t> after,
    int num_logical_experts, int slots_per_rank, int max_changed_slots) {
  PieceMaker maker(before, after, num_logical_experts, slots_per_rank,
                   max_changed_slots);
  std::vector<std::vector<int32_t>> pieces;
  while (!maker.is_done()) {
    if (!maker.Step()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("with ", max_changed_slots,
                       " rows of staging per rank there is no order of moves "
                       "that keeps every expert in a slot; 2 rows are enough"));
    }
    pieces.push_back(maker.experts());
  }
  return pieces;
}

}  // namespace eplb
