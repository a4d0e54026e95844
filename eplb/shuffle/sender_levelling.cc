#include "eplb/shuffle/sender_levelling.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

SenderLevelling::SenderLevelling(int num_layers, int num_ranks,
                                 int num_active_ranks)
    : num_layers_(num_layers),
      num_ranks_(num_ranks),
      num_active_ranks_(num_active_ranks),
      sends_(static_cast<size_t>(num_layers) * num_ranks),
      total_sends_(num_ranks),
      limit_of_layer_(num_layers),
      reached_by_(num_ranks) {}

int32_t SenderLevelling::AddChoice(int layer,
                                   absl::Span<const int32_t> candidates) {
  const auto begin = static_cast<int32_t>(candidates_.size());
  candidates_.insert(candidates_.end(), candidates.begin(), candidates.end());
  choices_.push_back(
      {layer, begin, static_cast<int32_t>(candidates_.size()), -1});
  return static_cast<int32_t>(choices_.size()) - 1;
}

void SenderLevelling::Choose() {
  for (size_t begin = 0, end; begin < choices_.size(); begin = end) {
    const int layer = choices_[begin].layer;
    end = begin;
    while (end < choices_.size() && choices_[end].layer == layer) ++end;
    ChooseInLayer(layer, absl::MakeSpan(choices_).subspan(begin, end - begin));
  }
  LevelTotals();
}

void SenderLevelling::ChooseInLayer(int layer, absl::Span<Choice> choices) {
  const absl::Span<const int32_t> sends =
      absl::MakeConstSpan(sends_).subspan(Index(layer, 0), num_ranks_);
  const int32_t all = std::accumulate(sends.begin(), sends.end(),
                                      static_cast<int32_t>(choices.size()));
  const int32_t even = (all + num_active_ranks_ - 1) / num_active_ranks_;
  // No choice has a smaller maximum than this; one more leaves room for
  // levelling over all layers.
  limit_of_layer_[layer] =
      std::max(even, *std::max_element(sends.begin(), sends.end())) + 1;
  for (Choice& choice : choices) Move(choice, LeastUsed(choice));
  LevelLayer(layer, choices);
}

// The candidate below the layer's limit with the fewest sends over all layers,
// else the one with the fewest in this layer.
int32_t SenderLevelling::LeastUsed(const Choice& choice) const {
  const int32_t* const sends = &sends_[Index(choice.layer, 0)];
  const int32_t limit = limit_of_layer_[choice.layer];
  const absl::Span<const int32_t> candidates = CandidatesOf(choice);
  int32_t best = candidates[0];
  for (const int32_t rank : candidates.subspan(1)) {
    const bool is_below = sends[rank] < limit;
    if (is_below != (sends[best] < limit)) {
      if (is_below) best = rank;
    } else if (is_below ? total_sends_[rank] < total_sends_[best]
                        : sends[rank] < sends[best]) {
      best = rank;
    }
  }
  return best;
}

void SenderLevelling::LevelLayer(int layer, absl::Span<Choice> choices) {
  const absl::Span<const int32_t> sends =
      absl::MakeConstSpan(sends_).subspan(Index(layer, 0), num_ranks_);
  const auto maximum = [&] {
    return *std::max_element(sends.begin(), sends.end());
  };
  const std::vector<bool> none(num_ranks_, false);
  while (maximum() > limit_of_layer_[layer] &&
         Relieve(sends, none, choices,
                 [](const Choice&, int32_t) { return true; })) {
  }
  limit_of_layer_[layer] = std::max(limit_of_layer_[layer], maximum());
}

void SenderLevelling::LevelTotals() {
  const double mean = static_cast<double>(std::accumulate(
                          total_sends_.begin(), total_sends_.end(), 0)) /
                      num_active_ranks_;
  // A path takes each rank once, so that no layer gets past its limit.
  const auto may_take = [&](const Choice& choice, int32_t rank) {
    return sends_[Index(choice.layer, rank)] < limit_of_layer_[choice.layer];
  };
  // Ranks that can hand nothing on must not keep the others from it.
  std::vector<bool> is_stuck(num_ranks_, false);
  while (Largest(total_sends_, is_stuck) > kLevel * mean) {
    if (Relieve(total_sends_, is_stuck, absl::MakeSpan(choices_), may_take)) {
      continue;
    }
    for (const int32_t rank : queue_) is_stuck[rank] = true;
  }
}

int32_t SenderLevelling::Largest(absl::Span<const int32_t> counts,
                                 const std::vector<bool>& is_left_out) const {
  int32_t largest = 0;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    if (!is_left_out[rank]) largest = std::max(largest, counts[rank]);
  }
  return largest;
}

void SenderLevelling::Move(Choice& choice, int32_t rank) {
  if (choice.sender >= 0) {
    --sends_[Index(choice.layer, choice.sender)];
    --total_sends_[choice.sender];
  }
  choice.sender = rank;
  ++sends_[Index(choice.layer, rank)];
  ++total_sends_[rank];
}

template <typename MayTake>
bool SenderLevelling::Relieve(absl::Span<const int32_t> counts,
                              std::vector<bool> is_reached,
                              absl::Span<Choice> choices, MayTake may_take) {
  const int32_t maximum = Largest(counts, is_reached);
  queue_.clear();
  for (int rank = 0; rank < num_ranks_; ++rank) {
    if (is_reached[rank] || counts[rank] < maximum) continue;
    is_reached[rank] = true;
    reached_by_[rank] = nullptr;
    queue_.push_back(rank);
  }
  for (size_t i = 0; i < queue_.size(); ++i) {
    for (Choice& choice : choices) {
      if (choice.sender != queue_[i]) continue;
      for (const int32_t rank : CandidatesOf(choice)) {
        if (is_reached[rank] || !may_take(choice, rank)) continue;
        is_reached[rank] = true;
        reached_by_[rank] = &choice;
        queue_.push_back(rank);
        if (counts[rank] > maximum - 2) continue;
        for (int32_t to = rank; reached_by_[to] != nullptr;) {
          Choice& handed_on = *reached_by_[to];
          const int32_t from = handed_on.sender;
          Move(handed_on, to);
          to = from;
        }
        return true;
      }
    }
  }
  return false;
}

}  // namespace eplb
