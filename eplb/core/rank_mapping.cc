#include "eplb/core/rank_mapping.h"

#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/topology.h"

namespace eplb {
namespace {

absl::Status TooManyRanks(size_t num_old_ranks, int num_new_ranks) {
  return absl::InvalidArgumentError(
      absl::StrCat("a rank mapping from ", num_old_ranks, " to ", num_new_ranks,
                   " ranks: more than ", kMaxRanks));
}

}  // namespace

absl::StatusOr<RankMapping> RankMapping::Create(
    std::vector<int> new_rank_of_old, int num_new_ranks) {
  if (new_rank_of_old.empty() || num_new_ranks < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a rank mapping from ", new_rank_of_old.size(), " to ",
                     num_new_ranks, " ranks: both must be at least 1"));
  }
  if (new_rank_of_old.size() > kMaxRanks || num_new_ranks > kMaxRanks) {
    return TooManyRanks(new_rank_of_old.size(), num_new_ranks);
  }
  std::vector<int> old_of_new(num_new_ranks, kNone);
  const int num_old_ranks = static_cast<int>(new_rank_of_old.size());
  for (int old_rank = 0; old_rank < num_old_ranks; ++old_rank) {
    const int new_rank = new_rank_of_old[old_rank];
    if (new_rank == kNone) continue;
    if (new_rank < 0 || new_rank >= num_new_ranks) {
      return absl::InvalidArgumentError(
          absl::StrCat("old rank ", old_rank, ": new rank ", new_rank,
                       " is neither -1 nor in [0, ", num_new_ranks, ")"));
    }
    if (old_of_new[new_rank] != kNone) {
      return absl::InvalidArgumentError(
          absl::StrCat("old ranks ", old_of_new[new_rank], " and ", old_rank,
                       " both become new rank ", new_rank));
    }
    old_of_new[new_rank] = old_rank;
  }
  return RankMapping(std::move(new_rank_of_old), std::move(old_of_new));
}

absl::StatusOr<RankMapping> RankMapping::Identity(int num_ranks) {
  if (num_ranks > kMaxRanks) return TooManyRanks(num_ranks, num_ranks);
  std::vector<int> ranks(num_ranks < 0 ? 0 : num_ranks);
  std::iota(ranks.begin(), ranks.end(), 0);
  return Create(std::move(ranks), num_ranks);
}

RankMapping::RankMapping(std::vector<int> new_of_old,
                         std::vector<int> old_of_new)
    : new_of_old_(std::move(new_of_old)), old_of_new_(std::move(old_of_new)) {}

}  // namespace eplb
