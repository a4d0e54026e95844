// Places the experts of a tiny model on four ranks and shows where the hottest
// expert of each layer sits:
//
//   layer 0: expert 1 (900 tokens) in slots 1 9, on ranks 0 3

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"

namespace downstream {
namespace {

constexpr int kNumRanks = 4;

int HottestExpert(const eplb::ExpertLoads& loads, int layer) {
  const absl::Span<const int64_t> tokens = loads.layer(layer);
  return static_cast<int>(std::max_element(tokens.begin(), tokens.end()) -
                          tokens.begin());
}

absl::Status ShowReplicas() {
  // Eight experts in twelve slots: three per rank, four of them redundant.
  const eplb::ModelShape shape{
      .num_layers = 2, .num_logical_experts = 8, .num_redundant_experts = 4};
  EPLB_RETURN_IF_ERROR(eplb::ValidateSlotsPerRank(shape, kNumRanks));

  // Tokens that each expert processed, layer by layer.
  EPLB_ASSIGN_OR_RETURN(
      const eplb::ExpertLoads loads,
      eplb::ExpertLoads::Create(shape.num_layers, shape.num_logical_experts,
                                {
                                    30, 900, 40, 20, 50, 10, 60, 70,  //
                                    80, 10, 20, 700, 90, 30, 40, 50,  //
                                }));

  // What an engine loads before it has seen any traffic.
  EPLB_ASSIGN_OR_RETURN(const eplb::Placement placement,
                        eplb::Placement::Initial(shape));

  const int slots_per_rank = shape.num_physical_experts() / kNumRanks;
  for (int layer = 0; layer < shape.num_layers; ++layer) {
    const int expert = HottestExpert(loads, layer);
    const absl::Span<const int32_t> slots =
        placement.slots_of_expert(layer, expert);
    std::cout << "layer " << layer << ": expert " << expert << " ("
              << loads.at(layer, expert) << " tokens) in slots "
              << absl::StrJoin(slots, " ") << ", on ranks "
              << absl::StrJoin(slots, " ",
                               [slots_per_rank](std::string* out, int slot) {
                                 absl::StrAppend(out, slot / slots_per_rank);
                               })
              << "\n";
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace downstream

int main() {
  const absl::Status status = downstream::ShowReplicas();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
}
