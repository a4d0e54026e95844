#include "kernels/cpu/map_ids.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/map_and_record.h"

namespace eplb {
namespace {

// Neighbouring ids often name the same expert. An addition to a count that was
// just stored waits for the store, so neighbours add to different arrays.
constexpr int kCountArrays = 4;

// The replica that a token goes to, of those in one row of the table.
struct ByHash {
  static constexpr bool kUsesOffset = false;

  static uint32_t Replica(const RouteTableView& table, uint32_t expert,
                          uint32_t /*begin*/, uint32_t count,
                          uint32_t position) {
    return HashReplica(position, table.reciprocals[expert], count);
  }
};

struct BySpread {
  static constexpr bool kUsesOffset = true;

  static uint32_t Replica(const RouteTableView& /*table*/, uint32_t /*expert*/,
                          uint32_t /*begin*/, uint32_t count,
                          uint32_t position) {
    return SpreadReplica(position, count);
  }
};

struct ByShares {
  static constexpr bool kUsesOffset = true;

  static uint32_t Replica(const RouteTableView& table, uint32_t /*expert*/,
                          uint32_t begin, uint32_t count, uint32_t position) {
    const uint32_t* ends = table.share_ends + begin;
    uint32_t replica = 0;
    while (replica + 1 < count && ends[replica] <= position / 2) ++replica;
    return replica;
  }
};

struct Tokens {
  int64_t begin;
  int64_t end;
};

// Routes `tokens`, and counts the slots when `counts` are given.
template <typename Choice, typename Id, bool kCounts>
void MapTokens(const MapAndRecordPass& pass, Tokens tokens,
               const std::array<int32_t*, kCountArrays>& counts) {
  const RouteTableView table = pass.table;
  const uint64_t num_experts = table.num_experts;
  const uint32_t offset = Choice::kUsesOffset ? SpreadOffset(pass.rank) : 0;
  const int top_k = pass.top_k;
  const Id* ids =
      static_cast<const Id*>(pass.logical_ids) + tokens.begin * top_k;
  int32_t* slot_ids = pass.slot_ids + tokens.begin * top_k;
  for (int64_t token = tokens.begin; token < tokens.end; ++token) {
    const uint32_t position = ReplicaPosition(token, offset);
    for (int i = 0; i < top_k; ++i) {
      // A negative id becomes a very large one.
      const auto expert = static_cast<uint64_t>(ids[i]);
      int32_t slot = -1;
      if (expert < num_experts) [[likely]] {
        const uint32_t begin = table.row_begin[expert];
        const uint32_t count = table.row_begin[expert + 1] - begin;
        if (count > 0) [[likely]] {
          slot = table.slots[begin + Choice::Replica(table, expert, begin,
                                                     count, position)];
          if (kCounts) ++counts[i % kCountArrays][slot];
        }
      }
      slot_ids[i] = slot;
    }
    ids += top_k;
    slot_ids += top_k;
  }
}

template <typename Choice, typename Id>
void MapAll(const MapAndRecordPass& pass, int64_t num_counted,
            const std::array<int32_t*, kCountArrays>& counts) {
  const auto is_counted = [&](int64_t token) {
    return token < num_counted &&
           (pass.token_is_valid == nullptr || pass.token_is_valid[token] != 0);
  };
  // Runs of tokens that are counted or padding.
  int64_t begin = 0;
  while (begin < pass.num_tokens) {
    const bool counted = is_counted(begin);
    int64_t end = begin + 1;
    if (pass.token_is_valid == nullptr) {
      end = counted ? num_counted : pass.num_tokens;
    }
    while (end < pass.num_tokens && is_counted(end) == counted) ++end;
    if (counted) {
      MapTokens<Choice, Id, true>(pass, {begin, end}, counts);
    } else {
      MapTokens<Choice, Id, false>(pass, {begin, end}, counts);
    }
    begin = end;
  }
}

template <typename Choice>
void MapIdsOfType(const MapAndRecordPass& pass, int64_t num_counted,
                  const std::array<int32_t*, kCountArrays>& counts) {
  if (pass.id_type == IdType::kInt32) {
    MapAll<Choice, int32_t>(pass, num_counted, counts);
  } else {
    MapAll<Choice, int64_t>(pass, num_counted, counts);
  }
}

void MapByChoice(const MapAndRecordPass& pass, int64_t num_counted,
                 const std::array<int32_t*, kCountArrays>& counts) {
  if (UsesShares(pass.choice)) {
    MapIdsOfType<ByShares>(pass, num_counted, counts);
  } else if (pass.choice == ReplicaChoice::kSpread) {
    MapIdsOfType<BySpread>(pass, num_counted, counts);
  } else {
    MapIdsOfType<ByHash>(pass, num_counted, counts);
  }
}

}  // namespace

void MapIds(const MapAndRecordPass& pass) {
  int64_t num_counted = pass.num_tokens;
  if (pass.num_valid_tokens != nullptr) {
    num_counted =
        std::clamp<int64_t>(*pass.num_valid_tokens, 0, pass.num_tokens);
  }
  const int64_t num_ids = pass.num_tokens * pass.top_k;
  const int64_t num_slots = pass.table.max_slots;
  std::array<int32_t*, kCountArrays> counts;
  counts.fill(pass.slot_counts);
  // Clearing and adding up more arrays has to pay.
  if (num_ids < 2 * kCountArrays * num_slots) {
    MapByChoice(pass, num_counted, counts);
    return;
  }
  std::vector<int32_t> others((kCountArrays - 1) * num_slots);
  for (int i = 1; i < kCountArrays; ++i) {
    counts[i] = others.data() + (i - 1) * num_slots;
  }
  MapByChoice(pass, num_counted, counts);
  for (int64_t slot = 0; slot < num_slots; ++slot) {
    for (int i = 1; i < kCountArrays; ++i) {
      pass.slot_counts[slot] += counts[i][slot];
    }
  }
}

}  // namespace eplb
