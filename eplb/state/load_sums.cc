#include "eplb/state/load_sums.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/load_recorder.h"
#include "eplb/state/group.h"
#include "eplb/state/model.h"
#include "eplb/state/model_set.h"

namespace eplb {
namespace {

size_t NumExperts(const Model& model) {
  return static_cast<size_t>(model.shape().num_layers) *
         model.shape().num_logical_experts;
}

size_t NumPassCounts(const Model& model) {
  return static_cast<size_t>(model.shape().num_layers) * model.pass_width();
}

// Where every rank counts the tokens of all, one speaks for them.
bool Contributes(const Model& model, int rank) {
  return model.options().counted_tokens == CountedTokens::kLocal || rank == 0;
}

absl::Status AppendWindow(Model& model, bool contributes, SteadyTime deadline,
                          std::vector<int64_t>& values) {
  const size_t begin = values.size();
  values.resize(begin + NumExperts(model));
  if (!contributes) return absl::OkStatus();
  absl::Status finished = model.FinishPasses(deadline);
  model.window().CopySums(absl::MakeSpan(values).subspan(begin));
  return finished;
}

absl::Status AppendPass(Model& model, bool contributes, SteadyTime deadline,
                        std::vector<int64_t>& values) {
  const size_t begin = values.size();
  values.resize(begin + NumPassCounts(model));
  if (!contributes) return absl::OkStatus();
  EPLB_ASSIGN_OR_RETURN(const PassCounts counts, model.ReadPass(deadline));
  const size_t width = model.pass_width();
  for (int layer = 0; layer < model.shape().num_layers; ++layer) {
    const int32_t* const row = counts.data + layer * counts.layer_stride;
    // A counter that ran over is reported where the pass is recorded.
    std::transform(row, row + width, &values[begin + layer * width],
                   [](int32_t count) { return std::max(count, 0); });
  }
  return absl::OkStatus();
}

void AppendWindows(const ModelSet& models, int rank, SteadyTime deadline,
                   std::vector<int64_t>& values, absl::Status& status) {
  for (const std::unique_ptr<Model>& model : models) {
    status.Update(
        AppendWindow(*model, Contributes(*model, rank), deadline, values));
  }
}

void AppendPasses(const ModelSet& models, bool is_dummy, bool with_windows,
                  int rank, SteadyTime deadline, std::vector<int64_t>& values,
                  absl::Status& status) {
  for (const std::unique_ptr<Model>& model : models) {
    const bool contributes = Contributes(*model, rank);
    const bool counts = !is_dummy || model->ReadsPassLate();
    status.Update(AppendPass(*model, contributes && counts, deadline, values));
    if (!with_windows) continue;
    status.Update(AppendWindow(*model, contributes, deadline, values));
  }
}

}  // namespace

std::vector<int64_t> LoadSums::CollectWindows(const ModelSet& models, int rank,
                                              SteadyTime deadline,
                                              absl::Status& status) {
  std::vector<int64_t> values;
  AppendWindows(models, rank, deadline, values, status);
  return values;
}

std::vector<int64_t> LoadSums::CollectPasses(const ModelSet& models,
                                             bool is_dummy, bool with_windows,
                                             int rank, SteadyTime deadline,
                                             absl::Status& status) {
  std::vector<int64_t> values;
  AppendPasses(models, is_dummy, with_windows, rank, deadline, values, status);
  return values;
}

absl::StatusOr<std::vector<ExpertLoads>> LoadSums::SplitWindows(
    absl::Span<const int64_t> sums, const ModelSet& models) {
  std::vector<ExpertLoads> loads;
  auto next = sums.begin();
  for (const std::unique_ptr<Model>& model : models) {
    const auto end = next + static_cast<ptrdiff_t>(NumExperts(*model));
    EPLB_ASSIGN_OR_RETURN(
        ExpertLoads of_model,
        ExpertLoads::Create(model->shape().num_layers,
                            model->shape().num_logical_experts,
                            std::vector<int64_t>(next, end)));
    loads.push_back(std::move(of_model));
    next = end;
  }
  return loads;
}

std::vector<LoadSums::ModelPass> LoadSums::SplitPasses(
    absl::Span<const int64_t> sums, const ModelSet& models, bool with_windows) {
  std::vector<ModelPass> passes(models.size());
  auto next = sums.begin();
  const auto take = [&next](size_t count) {
    const auto begin = next;
    next += static_cast<ptrdiff_t>(count);
    return std::vector<int64_t>(begin, next);
  };
  for (int i = 0; i < models.size(); ++i) {
    passes[i].pass = take(NumPassCounts(models[i]));
    if (with_windows) passes[i].window = take(NumExperts(models[i]));
  }
  return passes;
}

absl::StatusOr<std::vector<ExpertLoads>> LoadSums::SumWindows(
    const ModelSet& models, Group& group, absl::Status& recorded) {
  values_.clear();
  AppendWindows(models, group.rank(), group.Deadline(), values_, recorded);
  EPLB_RETURN_IF_ERROR(group.AllReduceSum(absl::MakeSpan(values_)));
  return SplitWindows(values_, models);
}

absl::StatusOr<std::vector<LoadSums::ModelPass>> LoadSums::SumPasses(
    const ModelSet& models, bool is_dummy, bool with_windows, Group& group) {
  values_.clear();
  absl::Status mine;
  AppendPasses(models, is_dummy, with_windows, group.rank(), group.Deadline(),
               values_, mine);
  EPLB_RETURN_IF_ERROR(group.AllReduceSum(absl::MakeSpan(values_)));
  EPLB_RETURN_IF_ERROR(mine);
  return SplitPasses(values_, models, with_windows);
}

}  // namespace eplb
