#include "eplb/core/expert_loads.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace eplb {

absl::StatusOr<ExpertLoads> ExpertLoads::Create(int num_layers,
                                                int num_logical_experts,
                                                std::vector<int64_t> loads) {
  if (num_layers < 1 || num_logical_experts < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "loads of ", num_layers, " layers and ", num_logical_experts,
        " logical experts: both must be at least 1"));
  }
  const int64_t expected = int64_t{num_layers} * num_logical_experts;
  if (static_cast<int64_t>(loads.size()) != expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        loads.size(), " loads for ", num_layers, " layers of ",
        num_logical_experts, " logical experts; there must be ", expected));
  }
  std::vector<int64_t> totals(num_layers, 0);
  for (int layer = 0; layer < num_layers; ++layer) {
    for (int expert = 0; expert < num_logical_experts; ++expert) {
      const int64_t load =
          loads[static_cast<size_t>(layer) * num_logical_experts + expert];
      if (load < 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            "layer ", layer, ", expert ", expert, ": negative load ", load));
      }
      if (load > kMaxLoad) {
        return absl::InvalidArgumentError(
            absl::StrCat("layer ", layer, ", expert ", expert, ": load ", load,
                         " is more than ", kMaxLoad));
      }
      if (totals[layer] > std::numeric_limits<int64_t>::max() - load) {
        return absl::InvalidArgumentError(
            absl::StrCat("layer ", layer, ", expert ", expert,
                         ": the layer's loads add up to more than ",
                         std::numeric_limits<int64_t>::max()));
      }
      totals[layer] += load;
    }
  }
  return ExpertLoads(num_logical_experts, std::move(loads), std::move(totals));
}

ExpertLoads::ExpertLoads(int num_logical_experts, std::vector<int64_t> loads,
                         std::vector<int64_t> layer_totals)
    : num_logical_experts_(num_logical_experts),
      loads_(std::move(loads)),
      layer_totals_(std::move(layer_totals)) {}

}  // namespace eplb
