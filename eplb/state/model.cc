#include "eplb/state/model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_recorder.h"
#include "eplb/load/load_window.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/group.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/pass_counters.h"
#include "eplb/state/pass_recorder.h"
#include "eplb/state/prepared_routes.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/replica_shares.h"
#include "kernels/route_rows.h"

namespace eplb {
namespace {

absl::Status CheckWeightsFit(const std::string& name, const ModelShape& shape,
                             const ExpertWeights& weights) {
  if (weights.num_layers() != shape.num_layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("model '", name, "': weights of ", weights.num_layers(),
                     " layers; the model has ", shape.num_layers));
  }
  if (shape.num_physical_experts() % weights.num_local_slots() != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model '", name, "': weights of ", weights.num_local_slots(),
        " slots per rank; the ", shape.num_physical_experts(),
        " slots of a layer do not divide by that"));
  }
  return absl::OkStatus();
}

// How many slots of a layer the tables are to have room for.
absl::StatusOr<int> MaxSlots(const std::string& name,
                             const ModelOptions& options, int slots_per_rank,
                             int num_slots) {
  const int64_t max_slots = int64_t{options.max_ranks} * slots_per_rank;
  if (options.max_ranks < 0 || max_slots > kMaxTableEntries) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model '", name, "': max_ranks is ", options.max_ranks, ", with ",
        slots_per_rank, " slots per rank; it must be from 0 to ",
        kMaxTableEntries / slots_per_rank));
  }
  return std::max(static_cast<int>(max_slots), num_slots);
}

// Counters of the engine are read and zeroed row by row, `width` of each.
absl::Status CheckCounters(const std::string& name, const PassCounts& counts,
                           int width) {
  if (counts.data == nullptr ||
      counts.layer_stride >= static_cast<size_t>(width)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("model '", name, "': counts.layer_stride is ",
                   counts.layer_stride, "; a layer has ", width, " counters"));
}

ShuffleOptions ShuffleOptionsOf(const ModelContext& context, int number) {
  const EplbConfig& config = *context.config;
  ShuffleOptions options;
  options.staging_bytes = static_cast<size_t>(config.staging_bytes);
  options.max_switch_bytes_per_unit = config.switch_bytes_per_step;
  options.verify_checksums = config.verify_checksums;
  options.data_serves_device = context.data_serves_device;
  options.operation_timeout = config.collective_timeout;
  options.model = static_cast<uint64_t>(number) + 1;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> Model::Create(
    std::string name, const ModelShape& shape, ExpertWeights weights,
    const ModelOptions& options, const Placement& placement, int number,
    const ModelContext& context) {
  EPLB_RETURN_IF_ERROR(CheckWeightsFit(name, shape, weights));
  const int slots_per_rank = weights.num_local_slots();
  EPLB_ASSIGN_OR_RETURN(
      const int max_slots,
      MaxSlots(name, options, slots_per_rank, placement.num_slots()));
  const SteadyTime deadline =
      context.clock->Now() + context.config->collective_timeout;
  EPLB_ASSIGN_OR_RETURN(
      LoadRecorder recorder,
      LoadRecorder::Create(shape.num_layers, shape.num_logical_experts,
                           options.counted_experts));
  EPLB_ASSIGN_OR_RETURN(
      LoadWindow window,
      LoadWindow::Create({shape.num_layers, shape.num_logical_experts,
                          context.config->window_size,
                          context.config->load_decay}));
  const int width = options.counted_experts == CountedExperts::kSlots
                        ? max_slots
                        : shape.num_logical_experts;
  EPLB_RETURN_IF_ERROR(CheckCounters(name, options.counts, width));
  PassCounters counters =
      PassCounters::OfEngine(options.counts, shape.num_layers, width);
  if (options.counts.data == nullptr) {
    EPLB_ASSIGN_OR_RETURN(
        counters, PassCounters::Create(*context.device, shape.num_layers, width,
                                       *context.stream, deadline));
  }
  EPLB_ASSIGN_OR_RETURN(
      PassRecorder passes,
      PassRecorder::Create(*context.device, std::move(counters),
                           std::move(recorder)));
  EPLB_ASSIGN_OR_RETURN(
      LayerTables tables,
      LayerTables::Create(*context.device, placement, max_slots,
                          *context.stream, deadline));
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<WeightShuffler> shuffler,
                        WeightShuffler::Create(
                            std::move(weights), placement, *context.device,
                            *context.clock, ShuffleOptionsOf(context, number)));
  auto model = std::unique_ptr<Model>(
      new Model(std::move(name), shape, options, placement, std::move(passes),
                std::move(window), std::move(tables), std::move(shuffler),
                slots_per_rank, context.group));
  model->max_slots_ = max_slots;
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    const absl::Span<const int32_t> experts = placement.experts_of_slots(layer);
    if (UsesShares(options.replica_choice)) {
      EPLB_ASSIGN_OR_RETURN(const RouteRows routes,
                            model->RoutesOf(layer, experts));
      EPLB_RETURN_IF_ERROR(
          model->SetLayer(layer, experts, routes, *context.stream, deadline));
    } else {
      // The tables have it.
      model->passes_.SetLayer(layer, experts);
    }
  }
  EPLB_RETURN_IF_ERROR(context.stream->Synchronize(deadline));
  return model;
}

Model::Model(std::string name, const ModelShape& shape,
             const ModelOptions& options, Placement placement,
             PassRecorder passes, LoadWindow window, LayerTables tables,
             std::unique_ptr<WeightShuffler> shuffler, int slots_per_rank,
             const Group* group)
    : name_(std::move(name)),
      shape_(shape),
      options_(options),
      group_(group),
      slots_per_rank_(slots_per_rank),
      max_slots_(placement.num_slots()),
      placement_(std::move(placement)),
      experts_of_slots_(placement_.physical_to_logical_map().begin(),
                        placement_.physical_to_logical_map().end()),
      passes_(std::move(passes)),
      window_(std::move(window)),
      tables_(std::move(tables)),
      shuffler_(std::move(shuffler)) {}

LayerView Model::layer_view(int layer) const {
  return {tables_.routes(layer), tables_.replica_counts(layer),
          passes_.counters().layer(layer), options_.replica_choice};
}

int Model::pass_width() const {
  return options_.counted_experts == CountedExperts::kSlots
             ? shape_.num_physical_experts()
             : shape_.num_logical_experts;
}

absl::Status Model::RecordPass(Stream& stream, SteadyTime deadline) {
  has_switched_since_pass_ = false;
  return passes_.Record(stream, deadline, window_);
}

absl::Status Model::DropPass(Stream& stream) {
  has_switched_since_pass_ = false;
  return passes_.Drop(stream);
}

Placement Model::PlacementOfPass() const {
  if (!has_switched_since_pass_) return placement();
  return *Placement::Create(shape_.num_layers, shape_.num_logical_experts,
                            shape_.num_physical_experts(),
                            experts_of_late_pass_);
}

absl::Status Model::Prepare(const std::shared_ptr<const ShuffleUnit>& unit) {
  UnitRoutes routes;
  for (const LayerChange& change : unit->layers) {
    EPLB_ASSIGN_OR_RETURN(RouteRows rows,
                          RoutesOf(change.layer, change.new_experts));
    routes.push_back(std::move(rows));
  }
  prepared_.Add(unit, std::move(routes));
  return absl::OkStatus();
}

absl::Status Model::Publish(const ShuffleUnit& unit, Stream& stream,
                            SteadyTime deadline) {
  const std::shared_ptr<const UnitRoutes> routes = prepared_.Find(unit);
  if (routes == nullptr) {
    return absl::InternalError(absl::StrCat(
        DescribeLayers(unit), ": a unit that was not prepared is switched"));
  }
  is_stale_ = true;
  if (passes_.is_late() && !has_switched_since_pass_) {
    experts_of_late_pass_ = experts_of_slots_;
    has_switched_since_pass_ = true;
  }
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const LayerChange& change = unit.layers[i];
    std::copy(change.new_experts.begin(), change.new_experts.end(),
              experts_of_slots_.begin() + static_cast<ptrdiff_t>(change.layer) *
                                              placement_.num_slots());
    EPLB_RETURN_IF_ERROR(SetLayer(change.layer, change.new_experts,
                                  (*routes)[i], stream, deadline));
  }
  return absl::OkStatus();
}

absl::Status Model::SetLayer(int layer,
                             absl::Span<const int32_t> experts_of_slots,
                             const RouteRows& routes, Stream& stream,
                             SteadyTime deadline) {
  passes_.SetLayer(layer, experts_of_slots);
  return tables_.SetLayer(layer, routes, stream, deadline);
}

absl::StatusOr<RouteRows> Model::RoutesOf(
    int layer, absl::Span<const int32_t> experts_of_slots) const {
  std::vector<uint32_t> shares;
  if (UsesShares(options_.replica_choice)) {
    EPLB_ASSIGN_OR_RETURN(shares, SharesOf(layer, experts_of_slots));
  }
  return RouteRows::Create(shape_.num_logical_experts, experts_of_slots,
                           shares);
}

absl::StatusOr<std::vector<uint32_t>> Model::SharesOf(
    int layer, absl::Span<const int32_t> experts_of_slots) const {
  EPLB_ASSIGN_OR_RETURN(
      const Placement placement,
      Placement::Create(
          /*num_layers=*/1, shape_.num_logical_experts,
          static_cast<int>(experts_of_slots.size()),
          {experts_of_slots.begin(), experts_of_slots.end()}));
  std::vector<int64_t> weights;
  if (options_.replica_weights != nullptr) {
    weights = options_.replica_weights(layer, experts_of_slots);
  }
  const PlannedReplicas planned{.placement = &placement,
                                .topology = &group_->topology(),
                                .weights = weights};
  auto shares = options_.replica_choice == ReplicaChoice::kWeighted
                    ? WeightedShares(planned)
                    : LocalFirstShares(planned, group_->rank());
  if (shares.ok()) return shares;
  return absl::Status(shares.status().code(),
                      absl::StrCat("model '", name_, "', layer ", layer, ": ",
                                   shares.status().message()));
}

absl::Status Model::FinishRearrangement() const {
  EPLB_ASSIGN_OR_RETURN(
      placement_,
      Placement::Create(shape_.num_layers, shape_.num_logical_experts,
                        placement_.num_slots(), experts_of_slots_));
  is_stale_ = false;
  return absl::OkStatus();
}

std::optional<double> Model::TakePromise(const Placement& placement) {
  if (!promise_ || promise_->placement != placement.Hash()) return std::nullopt;
  const double balancedness = promise_->balancedness;
  promise_.reset();
  return balancedness;
}

absl::Status Model::CheckRoom(int64_t num_slots) const {
  if (num_slots <= max_slots_) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("model '", name_, "': the tables have room for ", max_slots_,
                   " slots of a layer, and the group would have ", num_slots,
                   "; max_ranks of AddModel decides"));
}

absl::Status Model::Resize(const Placement& placement, int64_t generation,
                           Stream& stream, SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(CheckRoom(placement.num_slots()));
  EPLB_RETURN_IF_ERROR(passes_.Finish(deadline, window_));
  EPLB_RETURN_IF_ERROR(shuffler_->Adopt(placement, generation));
  placement_ = placement;
  is_stale_ = false;
  shape_.num_redundant_experts =
      placement.num_slots() - shape_.num_logical_experts;
  experts_of_slots_.assign(placement.physical_to_logical_map().begin(),
                           placement.physical_to_logical_map().end());
  for (int layer = 0; layer < shape_.num_layers; ++layer) {
    const absl::Span<const int32_t> experts = placement.experts_of_slots(layer);
    EPLB_ASSIGN_OR_RETURN(const RouteRows routes, RoutesOf(layer, experts));
    EPLB_RETURN_IF_ERROR(SetLayer(layer, experts, routes, stream, deadline));
  }
  return absl::OkStatus();
}

}  // namespace eplb
