// MapAndRecordPass: a router's logical expert ids on their way to slots, and
// the counts of that pass; for Device::MapAndRecord.
//
//   MapAndRecordPass pass{.table = route_table.view(),
//                         .choice = ReplicaChoice::kSpread,
//                         .rank = rank,
//                         .logical_ids = ids,
//                         .num_tokens = 8192,
//                         .top_k = 8,
//                         .slot_ids = slot_ids,
//                         .slot_counts = slot_counts};
//   EPLB_RETURN_IF_ERROR(device.MapAndRecord(pass, stream));

#ifndef EPLB_KERNELS_MAP_AND_RECORD_H_
#define EPLB_KERNELS_MAP_AND_RECORD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eplb {

// Which replica of its expert a token goes to. Tokens count from 0 in each
// pass; all arithmetic is exact and the same on every kind of device.
enum class ReplicaChoice {
  // ((token * 2654435769) mod 2^32) mod replicas: what others do. Every rank
  // begins with the same replica.
  kHash,
  // Replicas evenly, however few tokens a rank has.
  kSpread,
  // Replicas by given shares (kernels/replica_shares.h).
  kWeighted,
  // By shares of this rank that keep as much as possible on it and on its node.
  kLocalFirst,
};

// "hash", "spread", "weighted", "local_first".
absl::string_view ReplicaChoiceName(ReplicaChoice choice);

// InvalidArgument, with the names there are, for any other.
absl::StatusOr<ReplicaChoice> ParseReplicaChoice(absl::string_view name);

// Whether `choice` reads the shares of a route table.
constexpr bool UsesShares(ReplicaChoice choice) {
  return choice == ReplicaChoice::kWeighted ||
         choice == ReplicaChoice::kLocalFirst;
}

// Steps of the golden ratio: the multiples of it cover the circle of 2^32
// evenly, however many there are.
inline constexpr uint32_t kTokenStep = 2654435769u;

// The whole of an expert's tokens, in the units of share_ends.
inline constexpr uint32_t kWholeShare = uint32_t{1} << 31;

// Where a rank begins on that circle: the bits of the rank in reverse, so that
// the first N ranks cover it evenly for every N.
constexpr uint32_t SpreadOffset(int rank) {
  auto x = static_cast<uint32_t>(rank);
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  x = (x >> 8 & 0x00ff00ffu) | (x & 0x00ff00ffu) << 8;
  return x >> 16 | x << 16;
}

// Where each logical expert's replicas are, of one layer: compressed rows in
// memory of a device. Row e is slots[row_begin[e]] up to slots[row_begin[e+1]].
struct RouteTableView {
  int32_t num_experts = 0;
  // All slots in the table are lower.
  int32_t max_slots = 0;
  const int32_t* row_begin = nullptr;  // [num_experts + 1]
  const int32_t* slots = nullptr;
  // 2^64 / replicas, rounded up, for kHash; [num_experts].
  const uint64_t* reciprocals = nullptr;
  // Beside `slots`: the shares of the row up to and with this one. The last of
  // a row is kWholeShare.
  const uint32_t* share_ends = nullptr;
};

enum class IdType { kInt32, kInt64 };

// All memory is the device's or pinned, and is used when the pass runs. The
// addresses and numbers may be captured in a CUDA graph; what stands in memory
// may change between replays.
struct MapAndRecordPass {
  RouteTableView table;
  ReplicaChoice choice = ReplicaChoice::kSpread;
  // The rank whose tokens these are.
  int rank = 0;

  // [num_tokens, top_k], row-major, of `id_type`.
  const void* logical_ids = nullptr;
  IdType id_type = IdType::kInt32;
  int64_t num_tokens = 0;
  int top_k = 0;

  // Tokens from *num_valid_tokens on are padding: routed, not counted. Null:
  // there is none.
  const int32_t* num_valid_tokens = nullptr;
  // [num_tokens]; a token whose byte is 0 is padding as well. Null: none is.
  const uint8_t* token_is_valid = nullptr;

  // [num_tokens, top_k]: gets the slots; -1 where an id is no expert or the
  // expert has no replica.
  int32_t* slot_ids = nullptr;
  // [table.max_slots]: how many ids went to each slot is added. Passes that add
  // to the same counts are ordered by a stream.
  int32_t* slot_counts = nullptr;

  // InvalidArgument, naming the field, when one is null or out of range. Looks
  // at addresses and numbers only, not into memory.
  absl::Status Validate() const;
};

// Which of `num_replicas` replicas a token is for. `reciprocal` is that of
// RouteTableView, `position` the token's (ReplicaPosition).
constexpr uint32_t HashReplica(uint32_t position, uint64_t reciprocal,
                               uint32_t num_replicas) {
  // The remainder of a division by an exact reciprocal: the product's lower
  // half is the fraction, and num_replicas times a fraction is the remainder.
  const uint64_t fraction = reciprocal * position;
#if defined(__SIZEOF_INT128__) && !defined(__CUDA_ARCH__)
  __extension__ using Product = unsigned __int128;
  return static_cast<uint32_t>(Product{fraction} * num_replicas >> 64);
#else
  return static_cast<uint32_t>(
      ((fraction >> 32) * num_replicas +
       ((fraction & 0xffffffffu) * num_replicas >> 32)) >>
      32);
#endif
}
constexpr uint32_t SpreadReplica(uint32_t position, uint32_t num_replicas) {
  return static_cast<uint32_t>(uint64_t{position} * num_replicas >> 32);
}

// A token's place on the circle of 2^32. `offset` is 0 for kHash and
// SpreadOffset(rank) for all others.
constexpr uint32_t ReplicaPosition(int64_t token, uint32_t offset) {
  return static_cast<uint32_t>(token) * kTokenStep + offset;
}

}  // namespace eplb

#endif  // EPLB_KERNELS_MAP_AND_RECORD_H_
