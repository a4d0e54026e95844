// Topology: the ranks of an expert-parallel group, the node of each, and
// which of them are active.
//
//   EPLB_ASSIGN_OR_RETURN(Topology topology,
//                         Topology::Uniform(/*num_ranks=*/32,
//                                           /*num_nodes=*/4));
//   EPLB_ASSIGN_OR_RETURN(Topology survivors,
//                         topology.WithInactiveRanks({5}));

#ifndef EPLB_CORE_TOPOLOGY_H_
#define EPLB_CORE_TOPOLOGY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

// No group has more ranks than this.
inline constexpr int kMaxRanks = 1 << 20;

// Immutable. Copies are independent.
class Topology {
 public:
  // `node_of_rank[r]` is the node of rank r. Nodes are numbered from 0 without
  // gaps and may differ in size. All ranks are active. InvalidArgument, naming
  // rank, node and limit, otherwise or with more than kMaxRanks.
  static absl::StatusOr<Topology> Create(std::vector<int> node_of_rank);

  // Consecutive ranks on nodes of equal size.
  static absl::StatusOr<Topology> Uniform(int num_ranks, int num_nodes = 1);

  // The same ranks, with `ranks` inactive as well as those that already are.
  // At least one rank must stay active.
  absl::StatusOr<Topology> WithInactiveRanks(absl::Span<const int> ranks) const;

  int num_ranks() const { return static_cast<int>(node_of_rank_.size()); }
  int num_nodes() const { return num_nodes_; }
  int num_active_ranks() const {
    return static_cast<int>(active_ranks_.size());
  }

  int node_of_rank(int rank) const { return node_of_rank_[rank]; }
  bool is_active(int rank) const { return is_active_[rank]; }

  // The active ranks, rising.
  absl::Span<const int> active_ranks() const { return active_ranks_; }

  friend bool operator==(const Topology&, const Topology&) = default;

 private:
  Topology(std::vector<int> node_of_rank, int num_nodes,
           std::vector<bool> is_active);

  std::vector<int> node_of_rank_;
  int num_nodes_;
  std::vector<bool> is_active_;
  std::vector<int> active_ranks_;
};

}  // namespace eplb

#endif  // EPLB_CORE_TOPOLOGY_H_
