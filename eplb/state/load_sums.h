// The loads of all models and ranks, by one collective.

#ifndef EPLB_STATE_LOAD_SUMS_H_
#define EPLB_STATE_LOAD_SUMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/state/group.h"
#include "eplb/state/model_set.h"
#include "kernels/device.h"

namespace eplb {

// Tables of numbers to be added up over ranks, several in one collective.
// Thread-compatible; meant to be kept, for its memory.
class LoadSums {
 public:
  // What the ranks have recorded in their windows, per model.
  absl::StatusOr<std::vector<ExpertLoads>> SumWindows(const ModelSet& models,
                                                      Group& group);

  // The counts of the present pass, as they are counted, [layers, slots or
  // logical experts]; and the windows, where they are asked for.
  struct ModelPass {
    std::vector<int64_t> pass;
    std::vector<int64_t> window;
  };
  absl::StatusOr<std::vector<ModelPass>> SumPasses(const ModelSet& models,
                                                   bool is_dummy,
                                                   bool with_windows,
                                                   Group& group,
                                                   Stream& stream);

 private:
  void AppendWindow(Model& model, bool contributes);
  absl::Status AppendPass(Model& model, bool contributes, SteadyTime deadline,
                          Stream& stream);

  std::vector<int64_t> values_;
};

}  // namespace eplb

#endif  // EPLB_STATE_LOAD_SUMS_H_
