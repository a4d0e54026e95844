// LayerPieces: the way from one placement of a layer to another in steps that
// each stage few rows.

#ifndef EPLB_SHUFFLE_LAYER_PIECES_H_
#define EPLB_SHUFFLE_LAYER_PIECES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

// The placements after each step, the last of which is `after`. From one to the
// next no rank changes more than `max_changed_slots` slots, other than to
// empty, so it stages no more rows than that. Every expert has a slot in each
// of them, and so a source for the next. Deterministic. ResourceExhausted when
// there is no such way: with two slots or more there always is one.
absl::StatusOr<std::vector<std::vector<int32_t>>> LayerPieces(
    absl::Span<const int32_t> before, absl::Span<const int32_t> after,
    int num_logical_experts, int slots_per_rank, int max_changed_slots);

}  // namespace eplb

#endif  // EPLB_SHUFFLE_LAYER_PIECES_H_
