#include "policies/placement_policy.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Returns what the test says.
class FixedPolicy final : public PlacementPolicy {
 public:
  explicit FixedPolicy(std::vector<int32_t> experts)
      : experts_(std::move(experts)) {}

 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest&, std::vector<std::string>&) const override {
    return experts_;
  }

  std::vector<int32_t> experts_;
};

// One layer, four experts on two ranks of three slots.
class PlacementPolicyTest : public ::testing::Test {
 protected:
  const ExpertLoads loads_ = ExpertLoads::Create(1, 4, {40, 10, 6, 4}).value();
  Topology topology_ = Topology::Uniform(2).value();
  const Placement current_ =
      Placement::Create(1, 4, 6, {0, 1, 0, 2, 3, 1}).value();
  PlacementRequest request_{.shape = {.num_layers = 1,
                                      .num_logical_experts = 4,
                                      .num_redundant_experts = 2},
                            .loads = &loads_,
                            .topology = &topology_};
};

TEST_F(PlacementPolicyTest, ScoresEveryLayer) {
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                            FixedPolicy({0, 1, 2, 0, 3, 3}).Place(request_));
  ASSERT_EQ(result.layers.size(), 1);
  // Ranks carry 20 + 10 + 6 and 20 + 2 + 2.
  EXPECT_DOUBLE_EQ(result.layers[0].balancedness, 30.0 / 36.0);
  EXPECT_EQ(result.layers[0].duplicate_slots, 1);
  EXPECT_EQ(result.layers[0].moved_slots, 0);
  EXPECT_DOUBLE_EQ(result.mean_balancedness(), 30.0 / 36.0);
  EXPECT_DOUBLE_EQ(result.worst_balancedness(), 30.0 / 36.0);
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST_F(PlacementPolicyTest, ExpertsThatStayOnARankKeepTheirSlot) {
  request_.current = &current_;
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                            FixedPolicy({1, 2, 0, 1, 0, 3}).Place(request_));
  EXPECT_THAT(result.placement.experts_of_slots(0),
              ElementsAre(0, 1, 2, 0, 3, 1));
  EXPECT_EQ(result.moved_slots(), 2);
}

TEST_F(PlacementPolicyTest, LayerBeyondTheMoveLimitKeepsItsPlacement) {
  request_.current = &current_;
  request_.max_moves_per_layer = 1;
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                            FixedPolicy({1, 2, 0, 1, 0, 3}).Place(request_));
  EXPECT_EQ(result.placement, current_);
  EXPECT_EQ(result.moved_slots(), 0);
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("1 of 1 layers")));
}

TEST_F(PlacementPolicyTest, MoveLimitDoesNotLoseAnExpertOfADeadRank) {
  topology_ = *Topology::Uniform(3)->WithInactiveRanks({2});
  const ExpertLoads loads = ExpertLoads::Create(1, 3, {3, 2, 1}).value();
  const Placement current =
      Placement::Create(1, 3, 6, {0, 1, 0, 1, 2, 2}).value();
  const PlacementRequest request{.shape = {.num_layers = 1,
                                           .num_logical_experts = 3,
                                           .num_redundant_experts = 3},
                                 .loads = &loads,
                                 .topology = &topology_,
                                 .current = &current,
                                 .max_moves_per_layer = 1};
  EPLB_ASSERT_OK_AND_ASSIGN(const PlacementResult result,
                            FixedPolicy({2, 0, 2, 1, -1, -1}).Place(request));
  EXPECT_THAT(result.placement.experts_of_slots(0),
              ElementsAre(0, 2, 2, 1, -1, -1));
}

TEST_F(PlacementPolicyTest, RefusesAPolicysExpertsOnAnInactiveRank) {
  topology_ = *Topology::Uniform(3)->WithInactiveRanks({1});
  EXPECT_THAT(FixedPolicy({0, 1, 2, -1, 3, 0}).Place(request_),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("expert 2 of layer 0"),
                             HasSubstr("slot 2 of inactive rank 1"))));
}

TEST_F(PlacementPolicyTest, RefusesAPolicysMalformedTable) {
  EXPECT_THAT(FixedPolicy({0, 1, 2, 3}).Place(request_),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("4 slots")));
  EXPECT_THAT(FixedPolicy({0, 1, 2, 3, 4, 0}).Place(request_),
              StatusIs(absl::StatusCode::kInternal,
                       HasSubstr("expert 4 into slot 4 of layer 0")));
  EXPECT_THAT(FixedPolicy({0, 1, 2, 3, -2, 0}).Place(request_),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("expert -2")));
  EXPECT_THAT(
      FixedPolicy({0, 1, 2, 0, 1, 2}).Place(request_),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("expert 3 has no slot")));
}

TEST_F(PlacementPolicyTest, RefusesRequestsThatDoNotFitTogether) {
  const FixedPolicy policy({0, 1, 2, 0, 3, 3});
  const auto error = [&](const std::function<void(PlacementRequest&)>& edit) {
    PlacementRequest request = request_;
    edit(request);
    return policy.Place(request).status();
  };
  using absl::StatusCode;
  EXPECT_THAT(error([](auto& r) { r.loads = nullptr; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("needs loads")));
  EXPECT_THAT(error([](auto& r) { r.shape.num_layers = 2; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("1 layers")));
  EXPECT_THAT(error([](auto& r) { r.shape.num_redundant_experts = 3; }),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("nearest number that does is 6")));
  EXPECT_THAT(error([](auto& r) { r.max_moves_per_layer = -1; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("-1")));
  EXPECT_THAT(error([](auto& r) { r.target_balancedness = 1.5; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("1.5")));
  EXPECT_THAT(error([](auto& r) { r.num_threads = 0; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("num_threads")));
  const Placement other = Placement::Create(1, 4, 4, {0, 1, 2, 3}).value();
  EXPECT_THAT(error([&](auto& r) { r.current = &other; }),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("4 slots")));
}

TEST_F(PlacementPolicyTest, RefusesMoreExpertsThanLiveSlots) {
  topology_ = *topology_.WithInactiveRanks({0});
  EXPECT_THAT(FixedPolicy({-1, -1, -1, 0, 1, 2}).Place(request_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("3 slots"), HasSubstr("4 logical"))));
}

}  // namespace
}  // namespace eplb
