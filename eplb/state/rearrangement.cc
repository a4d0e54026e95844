#include "eplb/state/rearrangement.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/device_times.h"
#include "eplb/state/model.h"
#include "eplb/state/rearrangement_plan.h"
#include "kernels/device.h"

namespace eplb {

Rearrangement::Rearrangement(const RearrangementContext& context,
                             const Topology& topology, PlanOptions options)
    : context_(context),
      topology_(topology),
      options_(options),
      begin_(context.group->clock().Now()) {
  for (const std::unique_ptr<Model>& model : *context_.models) {
    Record(RearrangementStarted{model->name(), context_.forward_id,
                                context_.overdue_steps});
  }
}

absl::Status Rearrangement::Plan(absl::Span<const ExpertLoads> loads_of_model) {
  Group& group = *context_.group;
  const uint64_t installed = context_.models->PlacementHash();
  const uint64_t layout = context_.models->LayoutHash();
  absl::Status mine = PlanLocally(loads_of_model);
  if (mine.ok()) mine = PlanUnits();
  group.set_hashes(installed, 0, layout);
  EPLB_RETURN_IF_ERROR(group.AgreeOn(std::move(mine)));
  // Every rank has a plan. Whether it is the same one shows here, before
  // anything of it has been sent.
  group.set_hashes(installed, PlannedHash(), layout);
  const absl::Status compared = group.Barrier();
  group.set_hashes(installed, 0, layout);
  return compared;
}

absl::Status Rearrangement::PlanLocally(
    absl::Span<const ExpertLoads> loads_of_model) {
  plans_.clear();
  for (int i = 0; i < context_.models->size(); ++i) {
    Model& model = (*context_.models)[i];
    const SteadyTime begin = context_.group->clock().Now();
    EPLB_ASSIGN_OR_RETURN(
        RearrangementPlan plan,
        PlanRearrangement(
            *context_.policy, *context_.config, model.shape(),
            loads_of_model[i], topology_, model.placement(),
            [&](int layer) {
              return static_cast<int64_t>(
                  model.shuffler().weights().bytes_per_expert(layer));
            },
            options_));
    plan.seconds = SecondsSince(begin);
    plans_.push_back(std::move(plan));
  }
  return absl::OkStatus();
}

absl::Status Rearrangement::PlanUnits() {
  units_of_model_.assign(plans_.size(), {});
  for (size_t i = 0; i < plans_.size(); ++i) {
    if (!plans_[i].next) continue;
    Model& model = (*context_.models)[static_cast<int>(i)];
    EPLB_ASSIGN_OR_RETURN(
        units_of_model_[i],
        model.shuffler().Plan(*plans_[i].next, context_.group->topology(),
                              context_.group->rank()));
    for (const std::shared_ptr<const ShuffleUnit>& unit : units_of_model_[i]) {
      EPLB_RETURN_IF_ERROR(model.Prepare(unit));
    }
  }
  return absl::OkStatus();
}

uint64_t Rearrangement::PlannedHash() const {
  StableHash hash;
  for (const RearrangementPlan& plan : plans_) {
    hash.Add(plan.next ? plan.next->Hash() : 0);
  }
  // Who sends what to whom depends on these as well.
  for (int rank = 0; rank < topology_.num_ranks(); ++rank) {
    hash.Add(static_cast<uint64_t>(topology_.node_of_rank(rank)));
    hash.Add(topology_.is_active(rank) ? 1 : 0);
  }
  // 0 stands for no plan.
  return hash.value() | 1;
}

absl::Status Rearrangement::Move() {
  for (int i = 0; i < context_.models->size(); ++i) {
    if (plans_[i].next) {
      EPLB_RETURN_IF_ERROR(context_.group->Note(MoveModel(i)));
    }
    ReportDone(i);
  }
  return absl::OkStatus();
}

absl::Status Rearrangement::MoveModel(int index) {
  Model& model = (*context_.models)[index];
  Group& group = *context_.group;
  absl::StatusOr<std::unique_ptr<DeviceEvent>> begin;
  if (context_.device_times != nullptr) begin = context_.stream->RecordTimed();
  const ShuffleResult result = ShuffleNow(
      model.shuffler(), units_of_model_[index], context_.forward_id,
      group.channels(), *context_.stream, [&](const ShuffleUnit& unit) {
        return model.Publish(unit, *context_.stream, group.Deadline());
      });
  // Layers that have switched stay so, whatever came after them.
  absl::Status status = result.status;
  status.Update(model.FinishRearrangement());
  if (status.ok() && context_.device_times != nullptr) {
    context_.device_times->Add(model.name(), context_.forward_id,
                               std::move(begin),
                               context_.stream->RecordTimed());
  }
  return status;
}

void Rearrangement::ReportDone() {
  for (int i = num_done_; i < context_.models->size(); ++i) ReportDone(i);
}

void Rearrangement::ReportDone(int index) {
  Model& model = (*context_.models)[index];
  const RearrangementPlan& plan = plans_[index];
  ++num_done_;
  if (!plan.next) {
    Record(RearrangementSkipped{model.name(), context_.forward_id,
                                plan.skip_reason, plan.warnings});
    return;
  }
  // That of the first model has the planning of all.
  const double seconds = SecondsSince(begin_);
  begin_ = context_.group->clock().Now();
  if (model.dump()) {
    model.undumped().push_back(
        {.step = context_.forward_id,
         .plan_seconds = plan.seconds,
         .stall_seconds =
             is_in_background() ? std::nullopt : std::optional<double>(seconds),
         .moved_slots = plan.moved_slots,
         .moved_bytes = plan.moved_bytes});
  }
  Record(
      RearrangementFinished{.model = model.name(),
                            .step = context_.forward_id,
                            .moved_slots = plan.moved_slots,
                            .moved_bytes = plan.moved_bytes,
                            .seconds = seconds,
                            .plan_seconds = plan.seconds,
                            .balancedness_before = plan.balancedness_before,
                            .balancedness_planned = plan.balancedness_planned,
                            .warnings = plan.warnings});
  model.set_promise({plan.next->Hash(), plan.balancedness_planned});
}

void Rearrangement::ReportFailure(const absl::Status& status) {
  for (int i = num_done_; i < context_.models->size(); ++i) {
    Record(RearrangementFailed{(*context_.models)[i].name(),
                               context_.forward_id, status});
  }
}

void Rearrangement::ReportSkip(const absl::Status& status) {
  for (int i = num_done_; i < context_.models->size(); ++i) {
    Record(RearrangementSkipped{(*context_.models)[i].name(),
                                context_.forward_id,
                                std::string(status.message())});
  }
}

double Rearrangement::SecondsSince(SteadyTime begin) const {
  return std::chrono::duration<double>(context_.group->clock().Now() - begin)
      .count();
}

void Rearrangement::Record(const Event& event) {
  if (context_.events != nullptr) context_.events->Record(event);
}

}  // namespace eplb
