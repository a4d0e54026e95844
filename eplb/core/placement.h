// Placement: which logical expert sits in each slot, for every layer.
//
//   EPLB_ASSIGN_OR_RETURN(
//       Placement placement,
//       Placement::Create(/*num_layers=*/1, /*num_logical_experts=*/3,
//                         /*num_slots=*/4, {2, 0, 1, 0}));
//   placement.expert_of_slot(0, 0);  // 2
//   placement.slots_of_expert(0, 0);  // {1, 3}
//
// Slots are numbered rank by rank: with S slots on R ranks, rank r holds the
// slots [r * S / R, (r + 1) * S / R).

#ifndef EPLB_CORE_PLACEMENT_H_
#define EPLB_CORE_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"

namespace eplb {

// Immutable. Copies are independent.
class Placement {
 public:
  // The expert of a slot that holds none.
  static constexpr int32_t kEmptySlot = -1;

  // `physical_to_logical_map` in row-major order [layers, slots], each entry a
  // logical expert or kEmptySlot. InvalidArgument, naming layer, slot or
  // expert, value and limit, unless every entry is in range and every expert
  // of every layer has a slot.
  static absl::StatusOr<Placement> Create(
      int num_layers, int num_logical_experts, int num_slots,
      std::vector<int32_t> physical_to_logical_map);

  // What an engine loads before there are loads to plan from: in every layer
  // the experts in order, then expert i % E in the i-th redundant slot.
  static absl::StatusOr<Placement> Initial(const ModelShape& shape);

  int num_layers() const { return num_layers_; }
  int num_logical_experts() const { return num_logical_experts_; }
  int num_slots() const { return num_slots_; }

  int32_t expert_of_slot(int layer, int slot) const {
    return experts_of_slots(layer)[slot];
  }
  absl::Span<const int32_t> experts_of_slots(int layer) const {
    return absl::MakeConstSpan(experts_).subspan(Row(layer, num_slots_),
                                                 num_slots_);
  }

  // The slots that hold `expert`, rising; never empty.
  absl::Span<const int32_t> slots_of_expert(int layer, int expert) const {
    const int32_t* begin = &slot_begin_[Row(layer, num_logical_experts_ + 1)];
    return absl::MakeConstSpan(slots_).subspan(
        Row(layer, num_slots_) + begin[expert],
        begin[expert + 1] - begin[expert]);
  }
  int num_replicas(int layer, int expert) const {
    const int32_t* begin = &slot_begin_[Row(layer, num_logical_experts_ + 1)];
    return begin[expert + 1] - begin[expert];
  }

  // [layers, slots], row-major.
  absl::Span<const int32_t> physical_to_logical_map() const { return experts_; }

  // [layers, logical experts, width], row-major: the slots of each expert,
  // then -1 up to `width`. InvalidArgument when an expert has more replicas
  // or the table more than kMaxTableEntries.
  absl::StatusOr<std::vector<int32_t>> PaddedLogicalMap(int width) const;

  // Equal placements have equal hashes, on every rank and build.
  uint64_t Hash() const;

  friend bool operator==(const Placement& a, const Placement& b) {
    return a.num_layers_ == b.num_layers_ &&
           a.num_logical_experts_ == b.num_logical_experts_ &&
           a.num_slots_ == b.num_slots_ && a.experts_ == b.experts_;
  }

 private:
  Placement(int num_layers, int num_logical_experts, int num_slots,
            std::vector<int32_t> experts);

  static size_t Row(int layer, int width) {
    return static_cast<size_t>(layer) * static_cast<size_t>(width);
  }

  // Fills the inverse of one layer. InvalidArgument as for Create.
  absl::Status InvertLayer(int layer);

  int num_layers_;
  int num_logical_experts_;
  int num_slots_;
  // [layers, slots]: the expert of each slot.
  std::vector<int32_t> experts_;
  // The inverse as compressed rows. slot_begin_ [layers, experts + 1] are
  // offsets into the layer's row of slots_ [layers, slots].
  std::vector<int32_t> slot_begin_;
  std::vector<int32_t> slots_;
};

}  // namespace eplb

#endif  // EPLB_CORE_PLACEMENT_H_
