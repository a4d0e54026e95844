#include "kernels/replica_shares.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "kernels/map_and_record.h"

namespace eplb {
namespace {

// value * part / whole, rounded down. `part` is at most `whole`; 0 of 0 is 0.
uint64_t Part(uint64_t value, uint64_t part, uint64_t whole) {
  if (whole == 0) return 0;
  return absl::Uint128Low64(absl::uint128(value) * part / whole);
}

// Splits `total` in proportion to `parts`, to the last unit: each gets its part
// but for a rounding of one.
std::vector<uint64_t> Split(uint64_t total, absl::Span<const uint64_t> parts) {
  uint64_t whole = 0;
  for (const uint64_t part : parts) whole += part;
  std::vector<uint64_t> split;
  uint64_t sum = 0;
  uint64_t given = 0;
  for (const uint64_t part : parts) {
    sum += part;
    const uint64_t end = Part(total, sum, whole);
    split.push_back(end - given);
    given = end;
  }
  return split;
}

// The weights of one expert's replicas.
std::vector<uint64_t> WeightsOf(const PlannedReplicas& planned,
                                absl::Span<const int32_t> slots) {
  std::vector<uint64_t> weights;
  for (const int32_t slot : slots) {
    weights.push_back(planned.weights.empty() ? 1 : planned.weights[slot]);
  }
  return weights;
}

// Who has how many of one expert's tokens, and which replicas take them. Every
// active rank has kWholeShare.
class TokenTransport {
 public:
  // `rank_of_replica` and `weights` are of the expert's replicas.
  TokenTransport(const Topology& topology,
                 absl::Span<const int> active_ranks_of_node,
                 absl::Span<const int> rank_of_replica,
                 absl::Span<const uint64_t> weights)
      : topology_(topology),
        rank_of_replica_(rank_of_replica),
        capacity_(Split(uint64_t{kWholeShare} * topology.num_active_ranks(),
                        weights)),
        unserved_of_node_(topology.num_nodes()),
        free_of_node_(topology.num_nodes()) {
    for (int node = 0; node < topology.num_nodes(); ++node) {
      unserved_of_node_[node] =
          uint64_t{kWholeShare} * active_ranks_of_node[node];
    }
  }

  // How many of the tokens of `rank`, which is active, each replica takes.
  std::vector<uint64_t> Serve(int rank) {
    std::vector<uint64_t> taken(capacity_.size());
    uint64_t unserved = ServeRanks(rank, taken);
    unserved = ServeNode(unserved, topology_.node_of_rank(rank), taken);
    uint64_t free = 0;
    for (const uint64_t capacity : capacity_) free += capacity;
    for (size_t i = 0; i < capacity_.size(); ++i) {
      taken[i] += Part(unserved, capacity_[i], free);
    }
    return taken;
  }

 private:
  int NodeOf(size_t replica) const {
    return topology_.node_of_rank(rank_of_replica_[replica]);
  }

  // Every rank is served by its own replicas. Returns what `rank` has left.
  uint64_t ServeRanks(int rank, std::vector<uint64_t>& taken) {
    uint64_t left = kWholeShare;
    // Slots rise, so the replicas of a rank are neighbours.
    for (size_t begin = 0, end; begin < capacity_.size(); begin = end) {
      const int own_rank = rank_of_replica_[begin];
      uint64_t own_capacity = 0;
      for (end = begin; end < capacity_.size(); ++end) {
        if (rank_of_replica_[end] != own_rank) break;
        own_capacity += capacity_[end];
      }
      const uint64_t served =
          topology_.is_active(own_rank)
              ? std::min<uint64_t>(kWholeShare, own_capacity)
              : 0;
      unserved_of_node_[NodeOf(begin)] -= served;
      const std::vector<uint64_t> parts = Split(
          served, absl::MakeConstSpan(capacity_).subspan(begin, end - begin));
      for (size_t i = begin; i < end; ++i) {
        capacity_[i] -= parts[i - begin];
        if (own_rank == rank) taken[i] = parts[i - begin];
      }
      if (own_rank == rank) left -= served;
    }
    return left;
  }

  // Every node is served by its replicas. `unserved` is what a rank on `node`
  // has left; returns what it has left then.
  uint64_t ServeNode(uint64_t unserved, int node,
                     std::vector<uint64_t>& taken) {
    for (size_t i = 0; i < capacity_.size(); ++i) {
      free_of_node_[NodeOf(i)] += capacity_[i];
    }
    const uint64_t wanted = unserved_of_node_[node];
    const uint64_t offered = free_of_node_[node];
    const uint64_t served = Part(unserved, std::min(wanted, offered), wanted);
    for (size_t i = 0; i < capacity_.size(); ++i) {
      const int own_node = NodeOf(i);
      if (own_node == node) taken[i] += Part(served, capacity_[i], offered);
      capacity_[i] -=
          Part(capacity_[i],
               std::min(unserved_of_node_[own_node], free_of_node_[own_node]),
               free_of_node_[own_node]);
    }
    return unserved - served;
  }

  const Topology& topology_;
  const absl::Span<const int> rank_of_replica_;
  // What each replica can still take.
  std::vector<uint64_t> capacity_;
  std::vector<uint64_t> unserved_of_node_;
  std::vector<uint64_t> free_of_node_;
};

absl::Status CheckRanks(const PlannedReplicas& planned, int rank) {
  if (planned.topology == nullptr) {
    return absl::InvalidArgumentError("replica shares: topology is null");
  }
  const int num_ranks = planned.topology->num_ranks();
  if (rank < 0 || rank >= num_ranks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replica shares: rank ", rank, " of ", num_ranks, " ranks"));
  }
  if (planned.placement->num_slots() % num_ranks != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("replica shares: ", planned.placement->num_slots(),
                     " slots do not divide by ", num_ranks, " ranks"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PlannedReplicas::Validate() const {
  if (placement == nullptr) {
    return absl::InvalidArgumentError("replica shares: placement is null");
  }
  if (layer < 0 || layer >= placement->num_layers()) {
    return absl::InvalidArgumentError(
        absl::StrCat("replica shares: layer ", layer, " of ",
                     placement->num_layers(), " layers"));
  }
  if (weights.empty()) return absl::OkStatus();
  if (weights.size() != static_cast<size_t>(placement->num_slots())) {
    return absl::InvalidArgumentError(
        absl::StrCat("replica shares: ", weights.size(), " weights for ",
                     placement->num_slots(), " slots"));
  }
  for (int expert = 0; expert < placement->num_logical_experts(); ++expert) {
    int64_t sum = 0;
    for (const int32_t slot : placement->slots_of_expert(layer, expert)) {
      if (weights[slot] < 0 ||
          weights[slot] > std::numeric_limits<int64_t>::max() - sum) {
        return absl::InvalidArgumentError(absl::StrCat(
            "replica shares: slot ", slot, " has weight ", weights[slot],
            "; it must not be negative, and those of expert ", expert,
            " must add up to less than 2^63"));
      }
      sum += weights[slot];
    }
    if (sum == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "replica shares: all replicas of expert ", expert, " weigh 0"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> WeightedShares(
    const PlannedReplicas& planned) {
  EPLB_RETURN_IF_ERROR(planned.Validate());
  const Placement& placement = *planned.placement;
  std::vector<uint32_t> shares(placement.num_slots());
  for (int expert = 0; expert < placement.num_logical_experts(); ++expert) {
    const auto slots = placement.slots_of_expert(planned.layer, expert);
    const std::vector<uint64_t> parts =
        Split(kWholeShare, WeightsOf(planned, slots));
    for (size_t i = 0; i < slots.size(); ++i) shares[slots[i]] = parts[i];
  }
  return shares;
}

absl::StatusOr<std::vector<uint32_t>> LocalFirstShares(
    const PlannedReplicas& planned, int rank) {
  EPLB_ASSIGN_OR_RETURN(std::vector<uint32_t> shares, WeightedShares(planned));
  EPLB_RETURN_IF_ERROR(CheckRanks(planned, rank));
  const Placement& placement = *planned.placement;
  const Topology& topology = *planned.topology;
  if (!topology.is_active(rank)) return shares;
  std::vector<int> active_ranks_of_node(topology.num_nodes());
  for (const int active : topology.active_ranks()) {
    ++active_ranks_of_node[topology.node_of_rank(active)];
  }
  const int slots_per_rank = placement.num_slots() / topology.num_ranks();
  std::vector<int> rank_of_replica;
  for (int expert = 0; expert < placement.num_logical_experts(); ++expert) {
    const auto slots = placement.slots_of_expert(planned.layer, expert);
    if (slots.size() == 1) continue;
    rank_of_replica.clear();
    for (const int32_t slot : slots) {
      rank_of_replica.push_back(slot / slots_per_rank);
    }
    TokenTransport transport(topology, active_ranks_of_node, rank_of_replica,
                             WeightsOf(planned, slots));
    // Roundings have left a few units out; all of them are dealt out again.
    const std::vector<uint64_t> parts =
        Split(kWholeShare, transport.Serve(rank));
    for (size_t i = 0; i < slots.size(); ++i) shares[slots[i]] = parts[i];
  }
  return shares;
}

}  // namespace eplb
