// LoadRecorder: turns the counts of a forward pass into loads of logical
// experts, by the placement that the tokens were routed by.
//
//   EPLB_ASSIGN_OR_RETURN(
//       LoadRecorder recorder,
//       LoadRecorder::Create(58, 256, CountedExperts::kSlots));
//   recorder.SetLayer(layer, placement.experts_of_slots(layer));  // Each.
//   EPLB_RETURN_IF_ERROR(recorder.Record({counts, /*layer_stride=*/288},
//                                        window));
//
// What is counted, and where, decides how the ranks' loads add up: see
// CountedTokens.

#ifndef EPLB_LOAD_LOAD_RECORDER_H_
#define EPLB_LOAD_LOAD_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/load/load_window.h"

namespace eplb {

// What an engine counts tokens by.
enum class CountedExperts {
  kSlots,           // One count per slot of the group.
  kLogicalExperts,  // One count per logical expert, before routing.
};

// Which tokens a rank counts.
enum class CountedTokens {
  // Over all ranks together every token is counted once: each rank counts the
  // tokens that it routes, or those that arrive at its own slots. Loads of the
  // group are the sum over ranks.
  kLocal,
  // Every rank counts the tokens of all ranks. Loads of the group are those of
  // any one rank.
  kAll,
};

// The counts of a pass in the memory of the host. Layer l begins at
// data + l * layer_stride.
struct PassCounts {
  int32_t* data = nullptr;
  size_t layer_stride = 0;
};

// Thread-compatible.
class LoadRecorder {
 public:
  // InvalidArgument unless both sizes are at least 1.
  static absl::StatusOr<LoadRecorder> Create(int num_layers,
                                             int num_logical_experts,
                                             CountedExperts counted);

  // What the slots of `layer` hold from now on: every expert at least once, or
  // Placement::kEmptySlot. The number of slots may change.
  void SetLayer(int layer, absl::Span<const int32_t> experts_of_slots);

  // Adds the pass to `window`, which has the same layers and experts, and
  // zeroes it. InvalidArgument, naming layer and slot or expert, for a count
  // that is negative or too large: a counter ran over. It enters as 0 then, and
  // a sum that is too large as the largest int32.
  absl::Status Record(PassCounts counts, LoadWindow& window);

  int num_slots() const { return static_cast<int>(num_slots_); }

 private:
  // A slot beyond the first of its expert.
  struct FurtherSlot {
    int32_t expert = 0;
    int32_t slot = 0;
  };

  LoadRecorder(int num_layers, int num_logical_experts, CountedExperts counted);

  // The counts of one layer as logical ones, in `logical_`. Whether all were
  // in range.
  bool ConvertLayer(int layer, const int32_t* counts);
  // The same, slowly, for a layer with a count that is not.
  absl::Status RepairLayer(int layer, const int32_t* counts);

  int num_layers_;
  size_t num_experts_;
  CountedExperts counted_;
  size_t num_slots_ = 0;
  std::vector<int32_t> first_slot_;  // [layers, logical experts]
  std::vector<std::vector<FurtherSlot>> further_slots_;  // Per layer.
  std::vector<int32_t> logical_;  // Of one layer; kept for its memory.
};

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_RECORDER_H_
