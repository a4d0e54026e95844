#include "tools/run/expert_model.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ExpertModelOptions kOptions = {
    .num_layers = 3, .num_logical_experts = 8, .expert_bytes = 2048, .seed = 5};

class ExpertModelTest : public ::testing::Test {
 protected:
  std::vector<std::byte> Weights(int layer, int expert) const {
    std::vector<std::byte> weights(model_.weight_bytes());
    model_.FillWeights(layer, expert, 0, absl::MakeSpan(weights));
    return weights;
  }
  std::vector<std::byte> Scales(int layer, int expert) const {
    std::vector<std::byte> scales(ExpertModel::kScaleBytes);
    model_.FillScales(layer, expert, absl::MakeSpan(scales));
    return scales;
  }

  const ExpertModel model_{kOptions};
};

TEST_F(ExpertModelTest, BothTensorsTogetherAreTheExpert) {
  EXPECT_EQ(model_.weight_bytes() + ExpertModel::kScaleBytes, 2048u);
}

TEST_F(ExpertModelTest, FindsNothingWrongWithTheExpertsOwnBytes) {
  for (int layer = 0; layer < 3; ++layer) {
    for (int expert = 0; expert < 8; ++expert) {
      EXPECT_THAT(model_.WhatIsWrong(layer, expert, Weights(layer, expert),
                                     Scales(layer, expert)),
                  IsEmpty());
    }
  }
}

TEST_F(ExpertModelTest, SaysWhoseBytesAreThereInstead) {
  EXPECT_EQ(model_.WhatIsWrong(1, 2, Weights(1, 7), Scales(1, 2)),
            "byte 0 of the weights of layer 1 is not expert 2's; it is expert "
            "7's");
  EXPECT_EQ(model_.WhatIsWrong(1, 2, Weights(1, 2), Scales(1, 6)),
            "byte 0 of the scales of layer 1 is not expert 2's; it is expert "
            "6's");
}

TEST_F(ExpertModelTest, AnotherLayerOrSeedIsAnotherExpert) {
  EXPECT_THAT(model_.WhatIsWrong(0, 2, Weights(1, 2), Scales(0, 2)),
              Not(IsEmpty()));
  ExpertModelOptions options = kOptions;
  options.seed = 6;
  EXPECT_THAT(
      ExpertModel(options).WhatIsWrong(1, 2, Weights(1, 2), Scales(1, 2)),
      Not(IsEmpty()));
}

TEST_F(ExpertModelTest, NoticesEverySingleWrongByte) {
  const std::vector<std::byte> scales = Scales(2, 3);
  std::vector<std::byte> weights = Weights(2, 3);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] ^= std::byte{1};
    EXPECT_THAT(model_.WhatIsWrong(2, 3, weights, scales),
                HasSubstr("byte " + std::to_string(i) + " of the weights"));
    weights[i] ^= std::byte{1};
  }
}

TEST_F(ExpertModelTest, MakesAnyPartAsThePartOfTheWhole) {
  const std::vector<std::byte> whole = Weights(1, 4);
  DeterministicRandom random(/*seed=*/3);
  for (int i = 0; i < 1000; ++i) {
    const size_t offset = random.NextBelow(whole.size());
    const size_t size = random.NextBelow(whole.size() - offset + 1);
    std::vector<std::byte> part(size);
    model_.FillWeights(1, 4, offset, absl::MakeSpan(part));
    EXPECT_EQ(part, std::vector<std::byte>(whole.begin() + offset,
                                           whole.begin() + offset + size))
        << offset << " " << size;
  }
}

}  // namespace
}  // namespace eplb
