// Model: one model of a state: its loads, its placement, the tables its layers
// read, and what moves its weights.

#ifndef EPLB_STATE_MODEL_H_
#define EPLB_STATE_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/load_dump_writer.h"
#include "eplb/load/load_recorder.h"
#include "eplb/load/load_window.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/group.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/pass_recorder.h"
#include "eplb/state/prepared_routes.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"

namespace eplb {

// What each slot of the group is to carry, against the others of its expert
// (PlannedReplicas of kernels/replica_shares.h), when the slots of a layer hold
// `experts_of_slots`. The same function on all ranks. It is asked whenever a
// layer is to switch, by the thread that plans, in the background the worker,
// so that it needs an answer for every placement.
using ReplicaWeights = std::function<std::vector<int64_t>(
    int layer, absl::Span<const int32_t> experts_of_slots)>;

// How an engine gives a model's counts, and routes its tokens.
struct ModelOptions {
  CountedExperts counted_experts = CountedExperts::kSlots;
  CountedTokens counted_tokens = CountedTokens::kLocal;
  // Counters of the engine, in the memory of the host, as wide as those of a
  // layer view would be. None: the state has counters, in the layer views.
  PassCounts counts = {};
  // The largest group that the model may come to run on; 0: the present one.
  int max_ranks = 0;
  // How the passes choose among replicas. For kWeighted and kLocalFirst the
  // route tables hold the shares that belong to it, of the placement and the
  // group at the time.
  ReplicaChoice replica_choice = ReplicaChoice::kSpread;
  // For these; none: all replicas of an expert are to carry the same.
  ReplicaWeights replica_weights = nullptr;
};

// What the models of a state share.
struct ModelContext {
  const EplbConfig* config = nullptr;
  Device* device = nullptr;
  Clock* clock = nullptr;
  Stream* stream = nullptr;
  // Whose tokens are routed; needed where a choice of replicas uses shares.
  const Group* group = nullptr;
  bool data_serves_device = false;
};

// Thread-compatible.
class Model {
 public:
  // `weights` hold, or are to hold, the experts that `placement` puts on this
  // rank; `number` counts the models of the state.
  static absl::StatusOr<std::unique_ptr<Model>> Create(
      std::string name, const ModelShape& shape, ExpertWeights weights,
      const ModelOptions& options, const Placement& placement, int number,
      const ModelContext& context);

  const std::string& name() const { return name_; }
  const ModelShape& shape() const { return shape_; }
  const ModelOptions& options() const { return options_; }
  // With the layers that have switched. Of the serving thread, but for a
  // worker between the order of a run and the first switch of it.
  const Placement& placement() const {
    // Every unit leads to a valid placement.
    if (is_stale_) FinishRearrangement().IgnoreError();
    return placement_;
  }
  WeightShuffler& shuffler() { return *shuffler_; }
  LoadWindow& window() { return window_; }
  int slots_per_rank() const { return slots_per_rank_; }
  // ResourceExhausted unless the tables have room for so many slots of a layer.
  absl::Status CheckRoom(int64_t num_slots) const;
  LayerView layer_view(int layer) const;

  // The pass enters the window, or counts for nothing, and its counters become
  // 0. It may be in the window only after FinishPasses.
  absl::Status RecordPass(Stream& stream, SteadyTime deadline);
  absl::Status DropPass(Stream& stream);
  absl::Status FinishPasses(SteadyTime deadline) {
    return passes_.Finish(deadline, window_);
  }
  // The counts of this pass, or of the one before, as PassRecorder says, and
  // the placement that routed it.
  bool ReadsPassLate() const { return passes_.is_late(); }
  absl::StatusOr<PassCounts> ReadPass(SteadyTime deadline) {
    return passes_.Read(deadline, window_);
  }
  Placement PlacementOfPass() const;
  // Counters of a layer that are in use.
  int pass_width() const;

  // Makes what the tables are to hold once the unit is switched. In the thread
  // that plans.
  absl::Status Prepare(const std::shared_ptr<const ShuffleUnit>& unit);
  // Publishes what a unit, a prepared one, has moved into the live slots.
  absl::Status Publish(const ShuffleUnit& unit, Stream& stream,
                       SteadyTime deadline);
  // Takes over the layers that were published.
  absl::Status FinishRearrangement() const;

  // The group has other ranks, and the weights hold `placement`.
  absl::Status Resize(const Placement& placement, int64_t generation,
                      Stream& stream, SteadyTime deadline);

  // What was planned for the placement of this hash: for the first report of
  // it. Of the thread that reports.
  struct Promise {
    uint64_t placement = 0;
    double balancedness = 0;
  };
  void set_promise(const Promise& promise) { promise_ = promise; }
  std::optional<double> TakePromise(const Placement& placement);

  // Set on rank 0 where dumps are written.
  std::optional<LoadDumpWriter>& dump() { return dump_; }
  // What the next line of the dump is to tell.
  std::vector<DumpedRearrangement>& undumped() { return undumped_; }
  bool has_dump() const { return dump_.has_value(); }

 private:
  Model(std::string name, const ModelShape& shape, const ModelOptions& options,
        Placement placement, PassRecorder passes, LoadWindow window,
        LayerTables tables, std::unique_ptr<WeightShuffler> shuffler,
        int slots_per_rank, const Group* group);

  // What routes and counts the layer's tokens goes by `experts_of_slots`, and
  // by the `routes` that belong to them.
  absl::Status SetLayer(int layer, absl::Span<const int32_t> experts_of_slots,
                        const RouteRows& routes, Stream& stream,
                        SteadyTime deadline);
  absl::StatusOr<RouteRows> RoutesOf(
      int layer, absl::Span<const int32_t> experts_of_slots) const;
  absl::StatusOr<std::vector<uint32_t>> SharesOf(
      int layer, absl::Span<const int32_t> experts_of_slots) const;

  std::string name_;
  ModelShape shape_;
  ModelOptions options_;
  const Group* group_;
  int slots_per_rank_;
  int max_slots_;
  // Made anew when it is asked for, so that no switch waits for it.
  mutable Placement placement_;
  // The same where layers have switched since it was made.
  std::vector<int32_t> experts_of_slots_;
  mutable bool is_stale_ = false;
  PassRecorder passes_;
  LoadWindow window_;
  // Where ReadPass is late: what routed that pass, when layers have switched
  // since it.
  std::vector<int32_t> experts_of_late_pass_;
  bool has_switched_since_pass_ = false;
  LayerTables tables_;
  PreparedRoutes prepared_;
  std::unique_ptr<WeightShuffler> shuffler_;
  std::optional<Promise> promise_;
  std::optional<LoadDumpWriter> dump_;
  std::vector<DumpedRearrangement> undumped_;
};

}  // namespace eplb

#endif  // EPLB_STATE_MODEL_H_
