// Replicas packed onto ranks with no two of an expert on one rank.

#ifndef EPLB_POLICIES_REFINED_PLANNER_RANK_PACKING_H_
#define EPLB_POLICIES_REFINED_PLANNER_RANK_PACKING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/refined_planner/replica_list.h"
#include "policies/winner_tree.h"

namespace eplb {

// Thread-compatible. Keeps its memory from one layer to the next. Replicas are
// named by their position in the ReplicaList that was packed, which must stay
// unchanged as long as the packing is used.
class RankPacking {
 public:
  RankPacking(int num_ranks, int slots_per_rank);

  // Packs each replica, by falling load, on the least loaded rank that has
  // room and does not hold its expert (the first such rank).
  //
  // `replicas` has one replica for each slot and no expert with more replicas
  // than ranks. The result never has two replicas of an expert on one rank.
  void Pack(const ReplicaList& replicas);

  const ReplicaList& replicas() const { return *replicas_; }
  int num_ranks() const { return num_ranks_; }
  int slots_per_rank() const { return slots_per_rank_; }

  double rank_load(int rank) const { return rank_load_[rank]; }
  int rank_of(int replica) const { return rank_of_[replica]; }
  absl::Span<const int32_t> replicas_on(int rank) const {
    return absl::MakeConstSpan(slots_).subspan(
        static_cast<size_t>(rank) * slots_per_rank_, slots_per_rank_);
  }
  int MostLoadedRank() const;
  int LeastLoadedRank() const;

  // Whether `replica` could join `rank`, once two others have gone from there.
  bool MayJoin(int replica, int rank, int leaving, int also_leaving) const;

  // Exchanges two replicas on different ranks. The caller has checked that
  // each may join the other's rank.
  void Swap(int replica, int other);

  void CopyTo(absl::Span<int32_t> physical_to_logical) const;

 private:
  void Put(int replica, int rank);
  // Lets `rank` take another replica if it has room.
  void Reopen(int rank);
  void Close(int rank);
  void PutInSlot(int replica, int slot, int rank);
  bool Holds(int rank, int32_t expert) const;
  void PackByMovingAnother(int replica);

  int num_ranks_;
  int slots_per_rank_;
  const ReplicaList* replicas_ = nullptr;
  std::vector<double> rank_load_;
  std::vector<int32_t> rank_size_;  // slots in use while packing
  std::vector<int32_t> slots_;      // replica in each slot
  std::vector<int32_t> slot_of_;    // slot of each replica
  std::vector<int32_t> rank_of_;    // rank of each replica
  std::vector<int32_t> taken_ranks_;
  WinnerTree<uint64_t> least_loaded_;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_RANK_PACKING_H_
