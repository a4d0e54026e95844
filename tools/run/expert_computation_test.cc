#include "tools/run/expert_computation.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "tools/run/expert_model.h"

namespace eplb {
namespace {

constexpr int kExpertBytes = 1024;

const ExpertModel& Model() {
  static const ExpertModel model({.num_layers = 1,
                                  .num_logical_experts = 4,
                                  .expert_bytes = kExpertBytes,
                                  .seed = 1});
  return model;
}

struct ExpertBytes {
  explicit ExpertBytes(int expert)
      : weights(Model().weight_bytes()), scales(ExpertModel::kScaleBytes) {
    Model().FillWeights(0, expert, 0, absl::MakeSpan(weights));
    Model().FillScales(0, expert, absl::MakeSpan(scales));
  }

  Activation Compute(uint64_t token, const Activation& input) const {
    const MatrixOffsets offsets = MatrixOffsetsFor(token, weights.size());
    return ComputeExpert({.up = weights.data() + offsets.up,
                          .down = weights.data() + offsets.down,
                          .scales = scales.data()},
                         input);
  }

  std::vector<std::byte> weights;
  std::vector<std::byte> scales;
};

TEST(ExpertComputationTest, EveryExpertGivesAnotherOutput) {
  for (uint64_t token = 0; token < 100; ++token) {
    const Activation input = Embed(token);
    const Activation output = ExpertBytes(0).Compute(token, input);
    for (int other = 1; other < 4; ++other) {
      EXPECT_NE(output, ExpertBytes(other).Compute(token, input)) << token;
    }
  }
}

TEST(ExpertComputationTest, TheTokensTogetherReadAllOfTheWeights) {
  std::vector<bool> is_read(kExpertBytes - ExpertModel::kScaleBytes);
  for (uint64_t token = 0; token < 1000; ++token) {
    const MatrixOffsets offsets = MatrixOffsetsFor(token, is_read.size());
    for (const size_t begin : {offsets.up, offsets.down}) {
      ASSERT_LE(begin + kMatrixBytes, is_read.size());
      for (size_t i = 0; i < kMatrixBytes; ++i) is_read[begin + i] = true;
    }
  }
  for (size_t i = 0; i < is_read.size(); ++i) EXPECT_TRUE(is_read[i]) << i;
}

TEST(ExpertComputationTest, AWrongScaleChangesTheOutput) {
  ExpertBytes expert(0);
  const Activation right = expert.Compute(7, Embed(7));
  expert.scales = ExpertBytes(1).scales;
  EXPECT_NE(expert.Compute(7, Embed(7)), right);
}

TEST(ExpertComputationTest, LayersKeepTheActivationsAliveAndWithin16Bits) {
  const ExpertBytes experts[] = {ExpertBytes(0), ExpertBytes(1)};
  for (uint64_t token = 0; token < 100; ++token) {
    Activation activation = Embed(token);
    for (int layer = 0; layer < 64; ++layer) {
      Activation sum = {};
      AddGated(experts[0].Compute(token, activation), 160, sum);
      AddGated(experts[1].Compute(token, activation), 96, sum);
      activation = LeaveLayer(activation, sum);
      int64_t magnitude = 0;
      for (const int32_t value : activation) {
        ASSERT_EQ(value, static_cast<int16_t>(value));
        magnitude += value < 0 ? -value : value;
      }
      ASSERT_GT(magnitude, 100) << "token " << token << ", layer " << layer;
    }
  }
}

}  // namespace
}  // namespace eplb
