#include "eplb/state/joining_state.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/model_shape.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kNumRanks = 4;
constexpr int64_t kInterval = 8;

JoiningState ValidState() {
  JoiningState state;
  state.forward_id = 17;
  state.rearrangement_step = 3;
  state.models.push_back({.name_hash = 1,
                          .num_layers = 2,
                          .num_logical_experts = 6,
                          .num_expert_groups = 2,
                          .num_old_slots = 8,
                          .slots_per_rank = 4});
  return state;
}

TEST(JoiningStateTest, TakesWhatAGroupMayHave) {
  JoiningState state = ValidState();
  EPLB_EXPECT_OK(state.Validate(kNumRanks, kInterval));
  // Before the first step, and with a counter that starts at a short interval.
  state.forward_id = -1;
  state.rearrangement_step = kInterval;
  EPLB_EXPECT_OK(state.Validate(kNumRanks, kInterval));
}

TEST(JoiningStateTest, NamesWhatIsOutOfRange) {
  const struct {
    std::string field;
    std::function<void(JoiningState&)> damage;
  } cases[] = {
      {"forward id", [](auto& s) { s.forward_id = -2; }},
      {"rearrangement step", [](auto& s) { s.rearrangement_step = -1; }},
      {"rearrangement step",
       [](auto& s) { s.rearrangement_step = kInterval + 1; }},
      {"layers", [](auto& s) { s.models[0].num_layers = 0; }},
      {"layers",
       [](auto& s) { s.models[0].num_layers = kMaxTableEntries + 1; }},
      {"slots per rank", [](auto& s) { s.models[0].slots_per_rank = 0; }},
      // Its product with layers and ranks would run over.
      {"slots per rank",
       [](auto& s) { s.models[0].slots_per_rank = INT64_MAX; }},
      {"slots per rank",
       [](auto& s) {
         s.models[0].slots_per_rank = kMaxTableEntries / 2 / kNumRanks + 1;
       }},
      {"slots", [](auto& s) { s.models[0].num_old_slots = 17; }},
      {"logical experts", [](auto& s) { s.models[0].num_logical_experts = 0; }},
      {"logical experts", [](auto& s) { s.models[0].num_logical_experts = 9; }},
      {"expert groups", [](auto& s) { s.models[0].num_expert_groups = 0; }},
      {"expert groups", [](auto& s) { s.models[0].num_expert_groups = 7; }},
      // Of any model.
      {"layers",
       [](auto& s) {
         s.models.push_back(s.models[0]);
         s.models[1].num_layers = -5;
       }},
  };
  for (const auto& [field, damage] : cases) {
    JoiningState state = ValidState();
    damage(state);
    EXPECT_THAT(
        state.Validate(kNumRanks, kInterval),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("received from rank 0"),
                       HasSubstr(field + " is "), HasSubstr("must be from"))));
  }
}

}  // namespace
}  // namespace eplb
