#include "eplb/core/topology.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace eplb {

absl::StatusOr<Topology> Topology::Create(std::vector<int> node_of_rank) {
  if (node_of_rank.empty()) {
    return absl::InvalidArgumentError("a topology needs at least one rank");
  }
  if (node_of_rank.size() > kMaxRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat(node_of_rank.size(), " ranks are more than ", kMaxRanks));
  }
  const int num_ranks = static_cast<int>(node_of_rank.size());
  std::vector<bool> seen(num_ranks, false);
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int node = node_of_rank[rank];
    if (node < 0 || node >= num_ranks) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rank ", rank, ": node ", node, " is not in [0, ", num_ranks, ")"));
    }
    seen[node] = true;
  }
  const int num_nodes =
      *std::max_element(node_of_rank.begin(), node_of_rank.end()) + 1;
  for (int node = 0; node < num_nodes; ++node) {
    if (!seen[node]) {
      return absl::InvalidArgumentError(
          absl::StrCat("node ", node, " of ", num_nodes, " has no rank"));
    }
  }
  return Topology(std::move(node_of_rank), num_nodes,
                  std::vector<bool>(num_ranks, true));
}

absl::StatusOr<Topology> Topology::Uniform(int num_ranks, int num_nodes) {
  if (num_ranks < 1 || num_nodes < 1 || num_ranks % num_nodes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(num_ranks, " ranks on ", num_nodes,
                     " nodes: both must be positive and the ranks divide by "
                     "the nodes"));
  }
  if (num_ranks > kMaxRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat(num_ranks, " ranks are more than ", kMaxRanks));
  }
  std::vector<int> node_of_rank(num_ranks);
  for (int rank = 0; rank < num_ranks; ++rank) {
    node_of_rank[rank] = rank / (num_ranks / num_nodes);
  }
  return Create(std::move(node_of_rank));
}

absl::StatusOr<Topology> Topology::WithInactiveRanks(
    absl::Span<const int> ranks) const {
  std::vector<bool> is_active = is_active_;
  for (const int rank : ranks) {
    if (rank < 0 || rank >= num_ranks()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "inactive rank ", rank, " is not in [0, ", num_ranks(), ")"));
    }
    is_active[rank] = false;
  }
  if (std::find(is_active.begin(), is_active.end(), true) == is_active.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("all ", num_ranks(), " ranks are inactive"));
  }
  return Topology(node_of_rank_, num_nodes_, std::move(is_active));
}

Topology::Topology(std::vector<int> node_of_rank, int num_nodes,
                   std::vector<bool> is_active)
    : node_of_rank_(std::move(node_of_rank)),
      num_nodes_(num_nodes),
      is_active_(std::move(is_active)) {
  for (int rank = 0; rank < num_ranks(); ++rank) {
    if (is_active_[rank]) active_ranks_.push_back(rank);
  }
}

}  // namespace eplb
