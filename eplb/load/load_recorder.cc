#include "eplb/load/load_recorder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/load/load_window.h"

namespace eplb {
namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int32_t>::max();

// logical[i] = counts[slots[i]]; returns the counts or-ed together, which is
// negative when one of them is.
int32_t GatherCounts(const int32_t* __restrict__ counts,
                     const int32_t* __restrict__ slots, size_t num_experts,
                     int32_t* __restrict__ logical) {
  int32_t signs = 0;
  for (size_t i = 0; i < num_experts; ++i) {
    const int32_t count = counts[slots[i]];
    logical[i] = count;
    signs |= count;
  }
  return signs;
}

}  // namespace

absl::StatusOr<LoadRecorder> LoadRecorder::Create(int num_layers,
                                                  int num_logical_experts,
                                                  CountedExperts counted) {
  if (num_layers < 1 || num_logical_experts < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a load recorder of ", num_layers, " layers and ", num_logical_experts,
        " logical experts: both must be at least 1"));
  }
  return LoadRecorder(num_layers, num_logical_experts, counted);
}

LoadRecorder::LoadRecorder(int num_layers, int num_logical_experts,
                           CountedExperts counted)
    : num_layers_(num_layers),
      num_experts_(num_logical_experts),
      counted_(counted),
      first_slot_(num_layers * num_experts_),
      further_slots_(num_layers),
      logical_(num_experts_) {}

void LoadRecorder::SetLayer(int layer,
                            absl::Span<const int32_t> experts_of_slots) {
  num_slots_ = experts_of_slots.size();
  int32_t* const first = &first_slot_[layer * num_experts_];
  std::fill_n(first, num_experts_, -1);
  std::vector<FurtherSlot>& further = further_slots_[layer];
  further.clear();
  for (size_t slot = 0; slot < num_slots_; ++slot) {
    const int32_t expert = experts_of_slots[slot];
    if (expert == Placement::kEmptySlot) continue;
    if (first[expert] < 0) {
      first[expert] = static_cast<int32_t>(slot);
    } else {
      further.push_back({expert, static_cast<int32_t>(slot)});
    }
  }
}

bool LoadRecorder::ConvertLayer(int layer, const int32_t* counts) {
  int32_t* const logical = logical_.data();
  if (counted_ == CountedExperts::kLogicalExperts) {
    int32_t signs = 0;
    for (size_t expert = 0; expert < num_experts_; ++expert) {
      logical[expert] = counts[expert];
      signs |= counts[expert];
    }
    return signs >= 0;
  }
  // Most experts have one slot: reading per expert, instead of adding per
  // slot, leaves no chain through memory.
  int32_t signs = GatherCounts(counts, &first_slot_[layer * num_experts_],
                               num_experts_, logical);
  bool fits = true;
  for (const FurtherSlot& further : further_slots_[layer]) {
    const int64_t sum = int64_t{logical[further.expert]} + counts[further.slot];
    signs |= counts[further.slot];
    fits &= sum <= kMaxCount;
    logical[further.expert] = static_cast<int32_t>(sum);
  }
  return fits && signs >= 0;
}

absl::Status LoadRecorder::RepairLayer(int layer, const int32_t* counts) {
  const bool per_slot = counted_ == CountedExperts::kSlots;
  const size_t num_counts = per_slot ? num_slots_ : num_experts_;
  std::vector<int64_t> repaired(num_counts);
  std::string what = "a sum over replicas";
  for (size_t i = num_counts; i-- > 0;) {
    repaired[i] = std::max(counts[i], 0);
    if (counts[i] < 0) {
      what = absl::StrCat(per_slot ? "slot " : "expert ", i, ": count ",
                          counts[i]);
    }
  }
  std::vector<int64_t> sums = repaired;
  if (per_slot) {
    sums.assign(num_experts_, 0);
    const int32_t* const first = &first_slot_[layer * num_experts_];
    for (size_t e = 0; e < num_experts_; ++e) sums[e] = repaired[first[e]];
    for (const FurtherSlot& further : further_slots_[layer]) {
      sums[further.expert] += repaired[further.slot];
    }
  }
  for (size_t expert = 0; expert < num_experts_; ++expert) {
    logical_[expert] = static_cast<int32_t>(std::min(sums[expert], kMaxCount));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the counts of a pass: layer ", layer, ", ", what,
                   " is not in [0, ", kMaxCount, "]: a counter ran over"));
}

absl::Status LoadRecorder::Record(PassCounts counts, LoadWindow& window) {
  absl::Status status;
  const size_t row_bytes =
      sizeof(int32_t) *
      (counted_ == CountedExperts::kSlots ? num_slots_ : num_experts_);
  for (int layer = 0; layer < num_layers_; ++layer) {
    int32_t* const row = counts.data + layer * counts.layer_stride;
    if (!ConvertLayer(layer, row)) status.Update(RepairLayer(layer, row));
    std::memset(row, 0, row_bytes);
    window.SetLayer(layer, logical_);
  }
  window.Advance();
  return status;
}

}  // namespace eplb
