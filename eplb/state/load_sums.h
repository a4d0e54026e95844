// The loads of all models and ranks, by one collective.

#ifndef EPLB_STATE_LOAD_SUMS_H_
#define EPLB_STATE_LOAD_SUMS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/state/group.h"
#include "eplb/state/model_set.h"

namespace eplb {

// Tables of numbers to be added up over ranks, several in one collective.
// Thread-compatible; meant to be kept, for its memory.
class LoadSums {
 public:
  struct ModelPass {
    std::vector<int64_t> pass;
    std::vector<int64_t> window;
  };

  // What this rank alone adds to such a table, for a collective elsewhere: its
  // windows; or the counts of a pass, as Model::ReadPass gives them, which are
  // nothing where that is this pass and `is_dummy`. What could
  // not be read is 0, and told by `status`, since the others count on a table.
  static std::vector<int64_t> CollectWindows(const ModelSet& models, int rank,
                                             SteadyTime deadline,
                                             absl::Status& status);
  static std::vector<int64_t> CollectPasses(const ModelSet& models,
                                            bool is_dummy, bool with_windows,
                                            int rank, SteadyTime deadline,
                                            absl::Status& status);
  // The parts of the sums, per model. May be called by any thread.
  static absl::StatusOr<std::vector<ExpertLoads>> SplitWindows(
      absl::Span<const int64_t> sums, const ModelSet& models);
  static std::vector<ModelPass> SplitPasses(absl::Span<const int64_t> sums,
                                            const ModelSet& models,
                                            bool with_windows);

  // What the ranks have recorded in their windows, per model. A pass of this
  // rank that could not be read is missing, and told by `recorded`.
  absl::StatusOr<std::vector<ExpertLoads>> SumWindows(const ModelSet& models,
                                                      Group& group,
                                                      absl::Status& recorded);

  // The counts of a pass, as they are counted, [layers, slots or
  // logical experts]; and the windows, where they are asked for.
  absl::StatusOr<std::vector<ModelPass>> SumPasses(const ModelSet& models,
                                                   bool is_dummy,
                                                   bool with_windows,
                                                   Group& group);

 private:
  // Kept for their memory.
  std::vector<int64_t> values_;
};

}  // namespace eplb

#endif  // EPLB_STATE_LOAD_SUMS_H_
