#include "tools/run/reference_model.h"

#include <cstdint>
#include <vector>

#include "eplb/core/placement.h"
#include "gtest/gtest.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"
#include "tools/run/slot_weights.h"

namespace eplb {
namespace {

const ExpertModel& Model() {
  static const ExpertModel model({.num_layers = 2,
                                  .num_logical_experts = 4,
                                  .expert_bytes = 1024,
                                  .seed = 3});
  return model;
}

TEST(ReferenceModelTest, IsWhatTheExpertsOfOneRankCompute) {
  const Placement placement =
      *Placement::Initial({.num_layers = 2, .num_logical_experts = 4});
  SlotWeights weights(Model(), /*slots_per_rank=*/4);
  weights.Fill(placement, /*rank=*/0);
  ReferenceModel reference(Model());
  reference.Begin(77);
  reference.Forward(0, {2, 1});
  reference.Forward(1, {3, 0});

  Activation activation = Embed(77);
  const int experts[2][2] = {{2, 1}, {3, 0}};
  for (int layer = 0; layer < 2; ++layer) {
    Activation sum = {};
    for (int choice = 0; choice < 2; ++choice) {
      AddGated(ComputeExpert(weights.Slice(layer, experts[layer][choice], 77),
                             activation),
               kGates[choice], sum);
    }
    activation = LeaveLayer(activation, sum);
  }
  EXPECT_EQ(reference.output(), activation);
}

TEST(ReferenceModelTest, EveryExpertAndItsOrderMatter) {
  const auto output = [](std::vector<int32_t> experts) {
    ReferenceModel reference(Model());
    reference.Begin(5);
    reference.Forward(0, experts);
    return reference.output();
  };
  EXPECT_NE(output({0, 1}), output({1, 0}));
  EXPECT_NE(output({0, 1}), output({0, 2}));
  EXPECT_NE(output({0, 1}), output({0, -1}));
}

TEST(ReferenceModelTest, WithoutExpertsTheTokenIsHalved) {
  ReferenceModel reference(Model());
  reference.Begin(5);
  reference.Forward(0, {-1, -1});
  EXPECT_EQ(reference.output(), LeaveLayer(Embed(5), Activation{}));
}

}  // namespace
}  // namespace eplb
