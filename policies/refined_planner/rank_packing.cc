#include "policies/refined_planner/rank_packing.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "policies/refined_planner/replica_list.h"

namespace eplb {

RankPacking::RankPacking(int num_ranks, int slots_per_rank)
    : num_ranks_(num_ranks),
      slots_per_rank_(slots_per_rank),
      rank_load_(num_ranks),
      rank_size_(num_ranks),
      slots_(static_cast<size_t>(num_ranks) * slots_per_rank),
      slot_of_(slots_.size()),
      rank_of_(slots_.size()) {}

void RankPacking::Put(int replica, int rank) {
  PutInSlot(replica, rank * slots_per_rank_ + rank_size_[rank]++, rank);
  rank_load_[rank] += replicas_->load(replica);
}

void RankPacking::Reopen(int rank) {
  // The bits of a double >= 0, read as an integer, rise with it.
  least_loaded_.Replay(rank, rank_size_[rank] < slots_per_rank_
                                 ? std::bit_cast<uint64_t>(rank_load_[rank])
                                 : least_loaded_.kOut);
}

void RankPacking::Close(int rank) {
  least_loaded_.Replay(rank, least_loaded_.kOut);
}

void RankPacking::PutInSlot(int replica, int slot, int rank) {
  slots_[slot] = replica;
  slot_of_[replica] = slot;
  rank_of_[replica] = rank;
}

void RankPacking::Pack(const ReplicaList& replicas) {
  replicas_ = &replicas;
  std::fill(rank_load_.begin(), rank_load_.end(), 0.0);
  std::fill(rank_size_.begin(), rank_size_.end(), 0);
  least_loaded_.Reset(num_ranks_);
  for (int rank = 0; rank < num_ranks_; ++rank) least_loaded_.SetKey(rank, 0);
  least_loaded_.PlayAll();
  int replica = 0;
  for (const ReplicaRun& run : replicas.runs()) {
    if (run.count == 1) {
      const int rank = least_loaded_.winner();
      Put(replica++, rank);
      Reopen(rank);
      continue;
    }
    // A rank that took one of the run stays out until the run is placed, so
    // that each replica finds a rank of its own.
    taken_ranks_.clear();
    for (int32_t i = 0; i < run.count; ++i, ++replica) {
      if (least_loaded_.winning_key() == least_loaded_.kOut) {
        PackByMovingAnother(replica);
        continue;
      }
      const int rank = least_loaded_.winner();
      Put(replica, rank);
      Close(rank);
      taken_ranks_.push_back(rank);
    }
    for (const int32_t rank : taken_ranks_) Reopen(rank);
  }
}

bool RankPacking::Holds(int rank, int32_t expert) const {
  const int32_t* const slots =
      &slots_[static_cast<size_t>(rank) * slots_per_rank_];
  return std::any_of(slots, slots + rank_size_[rank], [&](int32_t replica) {
    return replicas_->expert(replica) == expert;
  });
}

// Every rank with room holds the expert already: make room on one that does
// not. Some rank does not hold it, as there are no more replicas than ranks;
// that rank is full, so it has more experts besides this one than the rank with
// room, and one of them can move over.
void RankPacking::PackByMovingAnother(int replica) {
  const int32_t expert = replicas_->expert(replica);
  const double load = replicas_->load(replica);
  int best_moved = -1;
  int best_room = -1;
  double best_load = 0.0;
  int room = 0;
  for (int rank = 1; rank < num_ranks_; ++rank) {
    const bool room_is_full = rank_size_[room] == slots_per_rank_;
    if (rank_size_[rank] < slots_per_rank_ &&
        (room_is_full || rank_load_[rank] < rank_load_[room])) {
      room = rank;
    }
  }
  for (int rank = 0; rank < num_ranks_; ++rank) {
    if (rank_size_[rank] < slots_per_rank_ || Holds(rank, expert)) continue;
    for (const int32_t moved : replicas_on(rank)) {
      if (Holds(room, replicas_->expert(moved))) continue;
      const double moved_load = replicas_->load(moved);
      const double larger = std::max(rank_load_[rank] - moved_load + load,
                                     rank_load_[room] + moved_load);
      if (best_moved < 0 || larger < best_load) {
        best_moved = moved;
        best_room = room;
        best_load = larger;
      }
    }
  }
  const int rank = rank_of(best_moved);
  PutInSlot(replica, slot_of_[best_moved], rank);
  rank_load_[rank] += load - replicas_->load(best_moved);
  Put(best_moved, best_room);
}

int RankPacking::MostLoadedRank() const {
  return static_cast<int>(
      std::max_element(rank_load_.begin(), rank_load_.end()) -
      rank_load_.begin());
}

int RankPacking::LeastLoadedRank() const {
  return static_cast<int>(
      std::min_element(rank_load_.begin(), rank_load_.end()) -
      rank_load_.begin());
}

bool RankPacking::MayJoin(int replica, int rank, int leaving,
                          int also_leaving) const {
  if (!replicas_->has_siblings(replica)) return true;
  const int32_t expert = replicas_->expert(replica);
  for (const int32_t present : replicas_on(rank)) {
    if (replicas_->expert(present) == expert && present != leaving &&
        present != also_leaving) {
      return false;
    }
  }
  return true;
}

void RankPacking::Swap(int replica, int other) {
  const int rank = rank_of(replica);
  const int other_rank = rank_of(other);
  const double difference = replicas_->load(replica) - replicas_->load(other);
  rank_load_[rank] -= difference;
  rank_load_[other_rank] += difference;
  const int slot = slot_of_[replica];
  PutInSlot(replica, slot_of_[other], other_rank);
  PutInSlot(other, slot, rank);
}

void RankPacking::CopyTo(absl::Span<int32_t> physical_to_logical) const {
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    physical_to_logical[slot] = replicas_->expert(slots_[slot]);
  }
}

}  // namespace eplb
