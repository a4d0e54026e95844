// LevelSenders: picks who sends where several ranks could, so that no rank is
// the bottleneck of its layer, nor of all layers together.

#ifndef EPLB_SHUFFLE_SENDER_LEVELLING_H_
#define EPLB_SHUFFLE_SENDER_LEVELLING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// A transfer with more than one possible sender.
struct SenderChoice {
  // The ranks candidates[begin, end), all different.
  int32_t candidates_begin = 0;
  int32_t candidates_end = 0;
  int32_t sender = -1;
};

// Chooses the senders of one layer, or chooses them again, knowing what other
// layers have chosen since. `sends_of_rank` counts the layer's sends,
// `total_sends_of_rank` those of all layers, with those that have no choice;
// both are kept up. In the layer the busiest rank sends at most one more than
// it has to under the best choice, or than an even spread over
// `num_active_ranks`; within that, the rank with the fewest sends over all
// layers is taken. Deterministic.
void LevelSenders(absl::Span<const int32_t> candidates, int num_active_ranks,
                  absl::Span<SenderChoice> choices,
                  absl::Span<int32_t> sends_of_rank,
                  absl::Span<int32_t> total_sends_of_rank);

}  // namespace eplb

#endif  // EPLB_SHUFFLE_SENDER_LEVELLING_H_
