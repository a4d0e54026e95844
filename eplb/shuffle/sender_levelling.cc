#include "eplb/shuffle/sender_levelling.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace eplb {
namespace {

// The candidate below the limit with the fewest sends over all layers, else
// the one with the fewest in this layer.
int32_t LeastUsed(absl::Span<const int32_t> candidates, int32_t limit,
                  absl::Span<const int32_t> sends_of_rank,
                  absl::Span<const int32_t> total_sends_of_rank) {
  int32_t best = candidates[0];
  for (const int32_t rank : candidates.subspan(1)) {
    const bool is_below = sends_of_rank[rank] < limit;
    const bool best_is_below = sends_of_rank[best] < limit;
    if (is_below != best_is_below) {
      if (is_below) best = rank;
    } else if (is_below ? total_sends_of_rank[rank] < total_sends_of_rank[best]
                        : sends_of_rank[rank] < sends_of_rank[best]) {
      best = rank;
    }
  }
  return best;
}

// Takes a send from a busiest rank by handing choices on along a path of ranks
// to one that sends at least two fewer. Where no such path exists, no choice of
// senders has a smaller maximum.
class BusiestRank {
 public:
  BusiestRank(absl::Span<const int32_t> candidates,
              absl::Span<SenderChoice> choices,
              absl::Span<int32_t> sends_of_rank,
              absl::Span<int32_t> total_sends_of_rank)
      : candidates_(candidates),
        choices_(choices),
        sends_(sends_of_rank),
        total_sends_(total_sends_of_rank),
        reached_by_(sends_of_rank.size()) {}

  bool Relieve() {
    const int32_t maximum = *std::max_element(sends_.begin(), sends_.end());
    std::fill(reached_by_.begin(), reached_by_.end(), kNotReached);
    queue_.clear();
    for (size_t rank = 0; rank < sends_.size(); ++rank) {
      if (sends_[rank] < maximum) continue;
      reached_by_[rank] = kStart;
      queue_.push_back(static_cast<int32_t>(rank));
    }
    for (size_t i = 0; i < queue_.size(); ++i) {
      for (size_t c = 0; c < choices_.size(); ++c) {
        if (choices_[c].sender != queue_[i]) continue;
        for (const int32_t rank : CandidatesOf(choices_[c])) {
          if (reached_by_[rank] != kNotReached) continue;
          reached_by_[rank] = static_cast<int32_t>(c);
          queue_.push_back(rank);
          if (sends_[rank] > maximum - 2) continue;
          HandOn(rank);
          return true;
        }
      }
    }
    return false;
  }

 private:
  static constexpr int32_t kNotReached = -2;
  static constexpr int32_t kStart = -1;

  absl::Span<const int32_t> CandidatesOf(const SenderChoice& choice) const {
    return candidates_.subspan(choice.candidates_begin,
                               choice.candidates_end - choice.candidates_begin);
  }

  // Along the path that ends in `rank`, back to its start.
  void HandOn(int32_t rank) {
    ++sends_[rank];
    ++total_sends_[rank];
    while (reached_by_[rank] != kStart) {
      SenderChoice& choice = choices_[reached_by_[rank]];
      const int32_t before = choice.sender;
      choice.sender = rank;
      rank = before;
    }
    --sends_[rank];
    --total_sends_[rank];
  }

  const absl::Span<const int32_t> candidates_;
  const absl::Span<SenderChoice> choices_;
  const absl::Span<int32_t> sends_;
  const absl::Span<int32_t> total_sends_;
  std::vector<int32_t> reached_by_;  // The choice that led to each rank.
  std::vector<int32_t> queue_;
};

}  // namespace

void LevelSenders(absl::Span<const int32_t> candidates, int num_active_ranks,
                  absl::Span<SenderChoice> choices,
                  absl::Span<int32_t> sends_of_rank,
                  absl::Span<int32_t> total_sends_of_rank) {
  if (choices.empty()) return;
  for (const SenderChoice& choice : choices) {
    if (choice.sender < 0) continue;
    --sends_of_rank[choice.sender];
    --total_sends_of_rank[choice.sender];
  }
  const int32_t forced_maximum =
      *std::max_element(sends_of_rank.begin(), sends_of_rank.end());
  const int32_t all =
      std::accumulate(sends_of_rank.begin(), sends_of_rank.end(),
                      static_cast<int32_t>(choices.size()));
  // Less than this cannot be reached; one more leaves room for levelling over
  // all layers.
  const int32_t least_maximum =
      std::max(forced_maximum, (all + num_active_ranks - 1) / num_active_ranks);
  const int32_t limit = least_maximum + 1;
  int32_t maximum = forced_maximum;
  for (SenderChoice& choice : choices) {
    choice.sender = LeastUsed(
        candidates.subspan(choice.candidates_begin,
                           choice.candidates_end - choice.candidates_begin),
        limit, sends_of_rank, total_sends_of_rank);
    ++total_sends_of_rank[choice.sender];
    maximum = std::max(maximum, ++sends_of_rank[choice.sender]);
  }
  if (maximum <= limit) return;
  BusiestRank busiest(candidates, choices, sends_of_rank, total_sends_of_rank);
  while (*std::max_element(sends_of_rank.begin(), sends_of_rank.end()) >
             limit &&
         busiest.Relieve()) {
  }
}

}  // namespace eplb
