// LayerSnapshot: what a layer of a state reads and counts, as bytes, to see
// that a failure left it alone.
//
//   const std::vector<LayerSnapshot> before = TakeSnapshot(state, 0);
//   ... a rearrangement fails ...
//   ExpectOldLayersUntouched(before, TakeSnapshot(state, 0));

#ifndef EPLB_STATE_STATE_TEST_SNAPSHOT_H_
#define EPLB_STATE_STATE_TEST_SNAPSHOT_H_

#include <cstdint>
#include <vector>

#include "eplb/state/eplb_state.h"

namespace eplb {

struct LayerSnapshot {
  std::vector<int32_t> experts_of_slots;
  // Of the route table.
  std::vector<int32_t> row_begin;
  std::vector<int32_t> slots;
  std::vector<uint64_t> reciprocals;
  std::vector<uint32_t> share_ends;
  std::vector<int32_t> replica_counts;
  std::vector<int32_t> pass_counts;
};

// Of each layer of a model whose counters are per slot, in host memory.
std::vector<LayerSnapshot> TakeSnapshot(const EplbState& state, int model);

// That layers which hold the same experts have the same bytes. Counters are the
// same in all.
void ExpectOldLayersUntouched(const std::vector<LayerSnapshot>& before,
                              const std::vector<LayerSnapshot>& after);

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_SNAPSHOT_H_
