// RankMapping: which rank of a new group an old rank becomes.
//
//   // Four ranks shrink to three: rank 1 leaves, the others move up.
//   RankMapping::Create({0, -1, 1, 2}, /*num_new_ranks=*/3);

#ifndef EPLB_CORE_RANK_MAPPING_H_
#define EPLB_CORE_RANK_MAPPING_H_

#include <vector>

#include "absl/status/statusor.h"

namespace eplb {

// Immutable. Copies are independent.
class RankMapping {
 public:
  // In place of a rank: leaves the group, or was not in it before.
  static constexpr int kNone = -1;

  // `new_rank_of_old[r]` is the new rank of old rank r, or kNone when it
  // leaves. No two old ranks become the same new rank; a new rank that no old
  // one becomes joins. InvalidArgument, naming ranks and limit, otherwise or
  // with more than kMaxRanks (eplb/core/topology.h).
  static absl::StatusOr<RankMapping> Create(std::vector<int> new_rank_of_old,
                                            int num_new_ranks);

  // Every rank stays what it is.
  static absl::StatusOr<RankMapping> Identity(int num_ranks);

  int num_old_ranks() const { return static_cast<int>(new_of_old_.size()); }
  int num_new_ranks() const { return static_cast<int>(old_of_new_.size()); }

  int NewRank(int old_rank) const { return new_of_old_[old_rank]; }
  int OldRank(int new_rank) const { return old_of_new_[new_rank]; }

  friend bool operator==(const RankMapping&, const RankMapping&) = default;

 private:
  RankMapping(std::vector<int> new_of_old, std::vector<int> old_of_new);

  std::vector<int> new_of_old_;
  std::vector<int> old_of_new_;
};

}  // namespace eplb

#endif  // EPLB_CORE_RANK_MAPPING_H_
