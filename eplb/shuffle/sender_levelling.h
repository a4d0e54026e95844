// SenderLevelling: picks who sends where several ranks could, so that no rank
// is the bottleneck of its layer, nor of all layers together.
//
//   SenderLevelling levelling(num_layers, num_ranks, num_active_ranks);
//   levelling.AddForced(layer, sender);
//   levelling.AddChoice(layer, candidates);  // For layers that never fall.
//   levelling.Choose();
//   levelling.sender(0);  // Of the first choice.

#ifndef EPLB_SHUFFLE_SENDER_LEVELLING_H_
#define EPLB_SHUFFLE_SENDER_LEVELLING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// Deterministic. Thread-compatible.
class SenderLevelling {
 public:
  SenderLevelling(int num_layers, int num_ranks, int num_active_ranks);

  // A transfer that only `sender` can send.
  void AddForced(int layer, int sender) {
    ++sends_[Index(layer, sender)];
    ++total_sends_[sender];
  }

  // A transfer that any of `candidates`, all different, can send. Returns its
  // number.
  int32_t AddChoice(int layer, absl::Span<const int32_t> candidates);

  // Settles all choices. In each layer the busiest rank sends at most one more
  // than it must under the best choice; within that no rank sends more than
  // kLevel times the mean over all layers, unless all that it could hand on
  // would go to ranks as busy as itself.
  void Choose();

  int32_t sender(int32_t choice) const { return choices_[choice].sender; }

 private:
  static constexpr double kLevel = 1.05;

  struct Choice {
    int32_t layer;
    int32_t candidates_begin;
    int32_t candidates_end;
    int32_t sender;
  };

  size_t Index(int layer, int rank) const {
    return static_cast<size_t>(layer) * num_ranks_ + rank;
  }
  absl::Span<const int32_t> CandidatesOf(const Choice& choice) const {
    return absl::MakeConstSpan(candidates_)
        .subspan(choice.candidates_begin,
                 choice.candidates_end - choice.candidates_begin);
  }

  void ChooseInLayer(int layer, absl::Span<Choice> choices);
  int32_t LeastUsed(const Choice& choice) const;
  void LevelLayer(int layer, absl::Span<Choice> choices);
  void LevelTotals();
  void Move(Choice& choice, int32_t rank);

  int32_t Largest(absl::Span<const int32_t> counts,
                  const std::vector<bool>& is_left_out) const;

  // Lowers a largest of `counts`, which are sends of ranks, by one: hands
  // choices on along a path of ranks to one that has at least two fewer. Ranks
  // that are `is_reached` before have no part in it. False where no such path
  // exists: then `queue_` has the ranks that nothing can be taken from.
  template <typename MayTake>
  bool Relieve(absl::Span<const int32_t> counts, std::vector<bool> is_reached,
               absl::Span<Choice> choices, MayTake may_take);

  const int num_layers_;
  const int num_ranks_;
  const int num_active_ranks_;
  std::vector<Choice> choices_;
  std::vector<int32_t> candidates_;
  std::vector<int32_t> sends_;  // [layers, ranks]
  std::vector<int32_t> total_sends_;
  std::vector<int32_t> limit_of_layer_;
  std::vector<Choice*> reached_by_;  // The choice that led to each rank.
  std::vector<int32_t> queue_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_SENDER_LEVELLING_H_
