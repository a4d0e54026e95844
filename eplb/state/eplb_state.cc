#include "eplb/state/eplb_state.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_dump_writer.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/transfer_plan.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/group.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"
#include "eplb/state/step_report.h"
#include "kernels/device.h"
#include "policies/placement_policy.h"

namespace eplb {
namespace {

absl::Status CheckDependencies(const EplbDependencies& dependencies) {
  const auto check = [](const char* name, const void* dependency) {
    if (dependency != nullptr) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("EplbDependencies: ", name, " is null"));
  };
  EPLB_RETURN_IF_ERROR(check("control", dependencies.control));
  EPLB_RETURN_IF_ERROR(check("policies", dependencies.policies));
  EPLB_RETURN_IF_ERROR(check("device", dependencies.device));
  return check("clock", dependencies.clock);
}

struct LocalParts {
  const PlacementPolicy* policy = nullptr;
  std::unique_ptr<Stream> stream;
};

absl::Status CheckBackgroundChannel(const EplbConfig& config,
                                    const EplbDependencies& dependencies) {
  if (!config.use_async || dependencies.data_has_dedicated_order) {
    return absl::OkStatus();
  }
  if (!dependencies.data_serves_device && config.communicator != "nccl") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "use_async with a data channel that moves device memory (NCCL): the "
      "worker's NCCL operations and those of the engine are issued by two "
      "threads, in an order that differs between ranks, and deadlock. Use Gloo "
      "for data (data = null, data_serves_device = false): device weights then "
      "go through pinned host memory. Or set data_has_dedicated_order where "
      "all "
      "NCCL operations of the process are known to be issued in one order");
}

absl::StatusOr<LocalParts> MakeLocalParts(
    const EplbConfig& config, const EplbDependencies& dependencies) {
  EPLB_RETURN_IF_ERROR(config.Validate());
  EPLB_RETURN_IF_ERROR(CheckBackgroundChannel(config, dependencies));
  LocalParts parts;
  EPLB_ASSIGN_OR_RETURN(parts.policy,
                        dependencies.policies->Find(config.policy));
  EPLB_RETURN_IF_ERROR(dependencies.device->BindThread());
  EPLB_ASSIGN_OR_RETURN(parts.stream, dependencies.device->CreateStream());
  return parts;
}

absl::StatusOr<ExpertLoads> NoLoads(const ModelShape& shape) {
  return ExpertLoads::Create(
      shape.num_layers, shape.num_logical_experts,
      std::vector<int64_t>(static_cast<size_t>(shape.num_layers) *
                           shape.num_logical_experts));
}

// What makes a model the same on all ranks.
uint64_t IdentityHash(const std::string& name, const ModelShape& shape,
                      const ModelOptions& options, const Placement& placement) {
  return StableHash()
      .Add(name)
      .Add(static_cast<uint64_t>(shape.num_layers))
      .Add(static_cast<uint64_t>(shape.num_logical_experts))
      .Add(static_cast<uint64_t>(shape.num_redundant_experts))
      .Add(static_cast<uint64_t>(shape.num_expert_groups))
      .Add(static_cast<uint64_t>(options.counted_experts))
      .Add(static_cast<uint64_t>(options.counted_tokens))
      .Add(static_cast<uint64_t>(options.max_ranks))
      .Add(static_cast<uint64_t>(options.replica_choice))
      .Add(placement.Hash())
      .value();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EplbState>> EplbState::Create(
    EplbConfig config, const EplbDependencies& dependencies) {
  EPLB_RETURN_IF_ERROR(CheckDependencies(dependencies));
  absl::StatusOr<LocalParts> parts = MakeLocalParts(config, dependencies);
  GroupOptions options;
  options.name = dependencies.name;
  options.control_factory = dependencies.control_factory;
  options.data_factory = dependencies.data_factory;
  options.node_of_job_rank = dependencies.node_of_job_rank;
  options.clock = dependencies.clock;
  if (config.collective_timeout > std::chrono::nanoseconds(0)) {
    options.timeout = config.collective_timeout;
  }
  // Also on a rank that cannot go on, so that the others need not wait for it.
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<Group> group,
      Group::Create(std::move(options), dependencies.members,
                    *dependencies.control, dependencies.data, config.Fields()));
  EPLB_RETURN_IF_ERROR(group->AgreeOn(parts.status()));
  auto state = std::unique_ptr<EplbState>(
      new EplbState(std::move(config), dependencies, *parts->policy,
                    std::move(group), std::move(parts->stream)));
  if (state->config_.use_async) {
    EPLB_RETURN_IF_ERROR(state->CreateBackground());
  }
  return state;
}

EplbState::EplbState(EplbConfig config, const EplbDependencies& dependencies,
                     const PlacementPolicy& policy,
                     std::unique_ptr<Group> group,
                     std::unique_ptr<Stream> stream)
    : config_(std::move(config)),
      dependencies_(dependencies),
      policy_(policy),
      group_(std::move(group)),
      stream_(std::move(stream)),
      counter_(config_.step_interval) {}

EplbState::~EplbState() = default;

absl::Status EplbState::CheckUsable() const {
  EPLB_RETURN_IF_ERROR(has_left_);
  // What runs in the background does not go past a doubt.
  return is_in_background() ? in_doubt_ : absl::OkStatus();
}

ModelContext EplbState::model_context() const {
  return {.config = &config_,
          .device = dependencies_.device,
          .clock = dependencies_.clock,
          .stream = stream_.get(),
          .group = group_.get(),
          .data_serves_device = dependencies_.data_serves_device};
}

absl::Status EplbState::CheckModel(const std::string& name,
                                   const ModelShape& shape,
                                   const ExpertWeights& weights) const {
  EPLB_RETURN_IF_ERROR(shape.Validate());
  EPLB_RETURN_IF_ERROR(models_.CheckNew(name, shape));
  EPLB_ASSIGN_OR_RETURN(
      const int redundant,
      config_.RedundantExperts(shape.num_logical_experts, group_->size()));
  if (shape.num_redundant_experts != redundant) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model '", name, "' has ", shape.num_redundant_experts,
        " redundant experts; num_redundant_experts of the configuration is ",
        redundant));
  }
  EPLB_RETURN_IF_ERROR(ValidateSlotsPerRank(shape, group_->size()));
  const int slots_per_rank = shape.num_physical_experts() / group_->size();
  if (weights.num_local_slots() != slots_per_rank) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model '", name, "': weights of ", weights.num_local_slots(),
        " slots; each of the ", group_->size(), " ranks has ", slots_per_rank));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Model>> EplbState::CreateModel(
    const std::string& name, const ModelShape& shape, ExpertWeights weights,
    const ModelOptions& options, const StartingLoads* start) {
  EPLB_RETURN_IF_ERROR(CheckModel(name, shape, weights));
  EPLB_ASSIGN_OR_RETURN(Placement placement, Placement::Initial(shape));
  if (start != nullptr) {
    if (start->loads == nullptr || start->placement == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "model '", name,
          "': starting loads need the placement that the slots hold, and it "
          "needs them"));
    }
    placement = *start->placement;
    if (start->rank_mapping != nullptr) {
      EPLB_ASSIGN_OR_RETURN(placement,
                            PlacementInGroup(placement, *start->rank_mapping));
    }
    if (start->loads->num_layers() != shape.num_layers ||
        start->loads->num_logical_experts() != shape.num_logical_experts ||
        placement.num_layers() != shape.num_layers ||
        placement.num_logical_experts() != shape.num_logical_experts ||
        placement.num_slots() != shape.num_physical_experts()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "model '", name, "': starting loads of ", start->loads->num_layers(),
          " layers and ", start->loads->num_logical_experts(),
          " experts, and a placement of ", placement.num_layers(), " layers, ",
          placement.num_logical_experts(), " experts and ",
          placement.num_slots(), " slots; the model has ", shape.num_layers,
          ", ", shape.num_logical_experts, " and ",
          shape.num_physical_experts()));
    }
  }
  return Model::Create(name, shape, std::move(weights), options, placement,
                       models_.size(), model_context());
}

absl::Status EplbState::OpenDump(Model& model) {
  model.dump().reset();
  if (config_.expert_load_dump_dir.empty() || group_->rank() != 0) {
    return absl::OkStatus();
  }
  EPLB_ASSIGN_OR_RETURN(
      LoadDumpWriter writer,
      LoadDumpWriter::Open(config_.expert_load_dump_dir, model.name()));
  model.dump().emplace(std::move(writer));
  return absl::OkStatus();
}

absl::Status EplbState::ShareWhetherDumped(const Model& model) {
  int64_t has_dump = model.has_dump() ? 1 : 0;
  EPLB_RETURN_IF_ERROR(group_->AllReduceSum({&has_dump, 1}));
  with_dump_ = has_dump > 0;
  return absl::OkStatus();
}

absl::Status EplbState::AddModel(const std::string& name,
                                 const ModelShape& shape, ExpertWeights weights,
                                 const ModelOptions& options,
                                 const StartingLoads* start) {
  EPLB_RETURN_IF_ERROR(CheckUsable());
  if (is_in_background()) {
    return absl::FailedPreconditionError(
        absl::StrCat("model '", name,
                     "' comes after StartBackground: models are added "
                     "before"));
  }
  EPLB_RETURN_IF_ERROR(Begin(*stream_));
  auto model = CreateModel(name, shape, std::move(weights), options, start);
  absl::Status mine = model.status();
  if (mine.ok()) mine = OpenDump(**model);
  EPLB_RETURN_IF_ERROR(group_->AgreeOn(std::move(mine)));
  EPLB_RETURN_IF_ERROR(group_->CompareModel(
      IdentityHash(name, shape, options, (*model)->placement()),
      (*model)->shuffler().weights().LayoutHash()));
  EPLB_RETURN_IF_ERROR(ShareWhetherDumped(**model));
  models_.Add(*std::move(model));
  counter_.Restart();
  if (start == nullptr) return absl::OkStatus();
  counter_.Reset();
  // The other models stay as they are: there are no new loads of theirs.
  std::vector<ExpertLoads> loads;
  for (const std::unique_ptr<Model>& other : models_) {
    EPLB_ASSIGN_OR_RETURN(ExpertLoads none, NoLoads(other->shape()));
    loads.push_back(std::move(none));
  }
  loads.back() = *start->loads;
  return RearrangeBy(loads, group_->topology(), {}, *stream_);
}

absl::Status EplbState::Step(const StepOptions& options) {
  EPLB_RETURN_IF_ERROR(has_left_);
  ReportDeviceTimes();
  Stream& stream = StreamOr(options.stream);
  if (options.is_profile) {
    return Rearrange({.profile = true, .stream = &stream}).status();
  }
  if (is_held_up_) {
    const int64_t forward_id = options.forward_id.value_or(forward_id_);
    if (forward_id == forward_id_) return EndStep(stream);
    return absl::FailedPreconditionError(
        absl::StrCat("step ", forward_id, " while step ", forward_id_,
                     " has not ended: it is to be called again"));
  }
  forward_id_ = options.forward_id.value_or(forward_id_ + 1);
  // An error does not end the step: ranks count steps, whatever happens.
  step_failure_ = absl::OkStatus();
  if ((options.log_stats || config_.log_balancedness) &&
      counter_.count() % config_.log_balancedness_interval == 0) {
    step_failure_.Update(ReportStatistics(options.is_dummy, stream));
  }
  step_failure_.Update(options.is_dummy ? DropPasses(stream)
                                        : RecordPasses(stream));
  is_at_interval_ = counter_.Advance();
  const absl::Status ended = EndStep(stream);
  return in_doubt_.ok() ? ended : in_doubt_;
}

absl::Status EplbState::EndStep(Stream& stream) {
  if (is_in_background()) return EndBackgroundStep(stream);
  if (is_at_interval_)
    step_failure_.Update(Rearrange({.stream = &stream}).status());
  return step_failure_;
}

absl::Status EplbState::ReportStatistics(bool is_dummy, Stream& stream) {
  if (is_in_background()) {
    absl::Status status;
    background_->AddStatistics(
        forward_id_, {.counts = LoadSums::CollectPasses(
                          models_, is_dummy, with_dump_, group_->rank(),
                          group_->Deadline(), status),
                      .with_windows = with_dump_,
                      .steps_until_rearrangement = counter_.steps_until_due()});
    return status;
  }
  EPLB_RETURN_IF_ERROR(Begin(stream));
  EPLB_ASSIGN_OR_RETURN(
      const std::vector<LoadSums::ModelPass> passes,
      load_sums_.SumPasses(models_, is_dummy, with_dump_, *group_));
  if (group_->rank() != 0) return absl::OkStatus();
  absl::Status status;
  for (int i = 0; i < models_.size(); ++i) {
    status.Update(ReportStep(
        models_[i], models_[i].PlacementOfPass(), passes[i], group_->topology(),
        {.step = forward_id_,
         .steps_until_rearrangement = counter_.steps_until_due(),
         .with_table = config_.log_balancedness_verbose,
         .events = dependencies_.events}));
  }
  return status;
}

absl::Status EplbState::RecordPasses(Stream& stream) {
  absl::Status status;
  for (const std::unique_ptr<Model>& model : models_) {
    status.Update(model->RecordPass(stream, group_->Deadline()));
  }
  return status;
}

absl::Status EplbState::DropPasses(Stream& stream) {
  absl::Status status;
  for (const std::unique_ptr<Model>& model : models_) {
    status.Update(model->DropPass(stream));
  }
  return status;
}

}  // namespace eplb
