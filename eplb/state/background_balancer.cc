#include "eplb/state/background_balancer.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_options.h"
#include "eplb/state/background/background_parts.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/group.h"
#include "eplb/state/load_sums.h"
#include "eplb/state/model.h"
#include "eplb/state/rearrangement.h"
#include "eplb/state/step_report.h"
#include "kernels/device.h"

namespace eplb {

BackgroundBalancer::~BackgroundBalancer() {
  Shutdown().IgnoreError();
  // Whatever it hangs in would be used after its end.
  if (worker_.joinable()) worker_.join();
}

void BackgroundBalancer::Start(int64_t forward_id) {
  rank_ = group_->rank();
  BackgroundDependencies dependencies;
  for (const std::unique_ptr<Model>& model : *context_.models) {
    dependencies.models.push_back({model->name(), &model->shuffler()});
  }
  dependencies.device = context_.device;
  dependencies.clock = &group_->clock();
  if (group_->can_connect()) {
    dependencies.connect =
        [this](uint64_t attempt,
               SteadyTime deadline) -> absl::StatusOr<ShuffleChannels> {
      EPLB_RETURN_IF_ERROR(group_->ConnectAttempt(attempt, deadline));
      return group_->channels();
    };
  }
  dependencies.on_run_end = [this](const RunReport& report) {
    ReportRun(report);
  };
  dependencies.on_failure = [this](int64_t step, const absl::Status& status) {
    if (context_.events == nullptr) return;
    context_.events->Record(BackgroundFailed{step, status});
  };
  dependencies.on_slow_wait = [this](int64_t step,
                                     std::chrono::nanoseconds waited,
                                     const std::vector<int>& silent_ranks) {
    if (context_.events == nullptr) return;
    const std::chrono::duration<double> seconds = waited;
    for (const std::unique_ptr<Model>& model : *context_.models) {
      context_.events->Record(
          FenceWait{model->name(), step, seconds.count(), silent_ranks});
    }
  };
  BackgroundOptions options;
  options.transfer_bytes_per_step = context_.config->transfer_bytes_per_step;
  options.operation_timeout = context_.config->collective_timeout;
  auto background = std::make_shared<BackgroundRearrangement>(
      options, std::move(dependencies), group_->channels(), forward_id);
  worker_ = std::thread([background] { background->Run(); });
  absl::MutexLock lock(&mutex_);
  background_ = std::move(background);
}

absl::Status BackgroundBalancer::Stop() {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  if (background == nullptr) return absl::OkStatus();
  // One that has not ended still uses the group and the models.
  EPLB_RETURN_IF_ERROR(background->Shutdown());
  worker_.join();
  absl::MutexLock lock(&mutex_);
  background_ = nullptr;
  return absl::OkStatus();
}

absl::Status BackgroundBalancer::Shutdown() {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  return background == nullptr ? absl::OkStatus() : background->Shutdown();
}

BackgroundMetrics BackgroundBalancer::metrics() const {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  return background == nullptr ? BackgroundMetrics() : background->metrics();
}

// ---- The serving thread.

absl::Status BackgroundBalancer::Pass(int64_t forward_id, Stream& stream) {
  return background()->Pass(forward_id, stream,
                            [&](int model, const ShuffleUnit& unit) {
                              return Publish(model, unit, stream);
                            });
}

absl::Status BackgroundBalancer::Publish(int model, const ShuffleUnit& unit,
                                         Stream& stream) {
  return (*context_.models)[model].Publish(
      unit, stream,
      group_->clock().Now() + context_.config->collective_timeout);
}

absl::Status BackgroundBalancer::MayBegin(int64_t forward_id,
                                          bool at_interval) {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  if (background->BeginsRun(forward_id, at_interval)) {
    // The worker reads the placements that these refer to.
    for (const std::unique_ptr<Model>& model : *context_.models) {
      model->placement();
    }
    absl::Status collected;
    background->StartRun(
        forward_id,
        [this, forward_id, overdue_steps = background->overdue_steps(),
         windows = LoadSums::CollectWindows(
             *context_.models, rank_,
             group_->clock().Now() + context_.config->collective_timeout,
             collected)](const ShuffleChannels&) {
          return Plan(forward_id, overdue_steps, windows);
        });
    EPLB_RETURN_IF_ERROR(collected);
  }
  return background->TakeFailure();
}

void BackgroundBalancer::AddStatistics(int64_t forward_id, Passes passes) {
  std::vector<Placement> placements;
  if (rank_ == 0) {
    for (const std::unique_ptr<Model>& model : *context_.models) {
      placements.push_back(model->PlacementOfPass());
    }
  }
  background()->AddTask(
      forward_id, [this, forward_id, passes = std::move(passes),
                   placements = std::move(placements)](const ShuffleChannels&) {
        return Report(forward_id, passes, placements);
      });
}

absl::Status BackgroundBalancer::Drain(int64_t forward_id, Stream& stream) {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  if (background == nullptr) return absl::OkStatus();
  return background->Drain(forward_id, stream,
                           [&](int model, const ShuffleUnit& unit) {
                             return Publish(model, unit, stream);
                           });
}

void BackgroundBalancer::WeightsChanged() {
  const std::shared_ptr<BackgroundRearrangement> background =
      this->background();
  if (background != nullptr) background->WeightsChanged();
}

// ---- The worker.

absl::StatusOr<std::vector<ShuffleUnits>> BackgroundBalancer::Plan(
    int64_t forward_id, int64_t overdue_steps, std::vector<int64_t> windows) {
  group_->set_forward_id(forward_id);
  run_ = std::make_unique<Rearrangement>(
      RearrangementContext{.config = context_.config,
                           .policy = context_.policy,
                           .group = group_.get(),
                           .models = context_.models,
                           .events = context_.events,
                           .stream = nullptr,
                           .forward_id = forward_id,
                           .overdue_steps = overdue_steps},
      group_->topology(), PlanOptions());
  EPLB_RETURN_IF_ERROR(group_->AllReduceSum(absl::MakeSpan(windows)));
  EPLB_ASSIGN_OR_RETURN(const std::vector<ExpertLoads> loads,
                        LoadSums::SplitWindows(windows, *context_.models));
  const absl::Status planned = run_->Plan(loads);
  if (planned.ok()) return run_->units_of_model();
  // What the channel has not failed on, all ranks have said together.
  if (group_->has_failed()) return planned;
  run_->ReportSkip(planned);
  run_ = nullptr;
  return std::vector<ShuffleUnits>();
}

absl::Status BackgroundBalancer::Report(
    int64_t forward_id, Passes passes,
    const std::vector<Placement>& placements) {
  group_->set_forward_id(forward_id);
  EPLB_RETURN_IF_ERROR(group_->AllReduceSum(absl::MakeSpan(passes.counts)));
  if (group_->rank() != 0) return absl::OkStatus();
  const std::vector<LoadSums::ModelPass> sums = LoadSums::SplitPasses(
      passes.counts, *context_.models, passes.with_windows);
  absl::Status status;
  for (int i = 0; i < context_.models->size(); ++i) {
    status.Update(ReportStep(
        (*context_.models)[i], placements[i], sums[i], group_->topology(),
        {.step = forward_id,
         .steps_until_rearrangement = passes.steps_until_rearrangement,
         .with_table = context_.config->log_balancedness_verbose,
         .events = context_.events}));
  }
  // A report that cannot be written is no failure of the group.
  if (!status.ok()) background()->ReportFailure(forward_id, status);
  return absl::OkStatus();
}

void BackgroundBalancer::ReportRun(const RunReport& report) {
  if (run_ == nullptr) return;
  if (!report.status.ok()) {
    run_->ReportFailure(report.status);
  } else if (!report.ended_early.empty()) {
    run_->ReportSkip(absl::AbortedError(
        absl::StrCat("ended after ", report.layers_agreed, " of ",
                     report.layers_planned, " layers: ", report.ended_early)));
  } else {
    run_->ReportDone();
  }
  run_ = nullptr;
}

}  // namespace eplb
