#include "eplb/shuffle/expert_weights.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Two layers of a weight and its scale, three local slots.
class ExpertWeightsTest : public ::testing::Test {
 protected:
  ExpertWeightsTest() {
    for (int layer = 0; layer < 2; ++layer) {
      std::byte* const base = memory_ + layer * 512;
      layers_.push_back(
          {Tensor("weight", base, 64), Tensor("scale", base + 256, 8)});
      layers_.back()[1].element_type = WeightType::kFloat32;
    }
  }

  static ExpertTensor Tensor(std::string name, void* data, size_t bytes) {
    return {.name = std::move(name),
            .data = data,
            .num_rows = 3,
            .bytes_per_row = bytes,
            .stride_bytes = bytes};
  }

  void ExpectRefused(const std::string& reason) {
    EXPECT_THAT(ExpertWeights::Create(layers_),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("layer 1"), HasSubstr("scale"),
                               HasSubstr(reason))));
  }

  alignas(64) std::byte memory_[1024];
  std::vector<std::vector<ExpertTensor>> layers_;
};

TEST_F(ExpertWeightsTest, FindsTheRowsOfEverySlot) {
  layers_[1][0].stride_bytes = 80;
  EPLB_ASSERT_OK_AND_ASSIGN(const ExpertWeights weights,
                            ExpertWeights::Create(layers_));
  EXPECT_EQ(weights.num_layers(), 2);
  EXPECT_EQ(weights.num_local_slots(), 3);
  EXPECT_EQ(weights.space(), MemorySpace::kHost);
  EXPECT_EQ(weights.bytes_per_expert(1), 72);
  EXPECT_EQ(weights.row(1, 0, 2), memory_ + 512 + 160);
  EXPECT_EQ(weights.row(0, 1, 1), memory_ + 256 + 8);
}

TEST_F(ExpertWeightsTest, AllowsInterleavedTensors) {
  for (std::vector<ExpertTensor>& layer : layers_) {
    layer[0].stride_bytes = layer[1].stride_bytes = 72;
    layer[1].data = static_cast<std::byte*>(layer[0].data) + 64;
  }
  EPLB_EXPECT_OK(ExpertWeights::Create(layers_));
}

TEST_F(ExpertWeightsTest, RefusesNoLayersAndNoTensors) {
  EXPECT_THAT(
      ExpertWeights::Create({}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no layers")));
  layers_[1].clear();
  EXPECT_THAT(ExpertWeights::Create(layers_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layer 1 has no tensors")));
}

TEST_F(ExpertWeightsTest, RefusesATensorWithoutAnAddress) {
  layers_[1][1].data = nullptr;
  ExpectRefused("no address");
}

TEST_F(ExpertWeightsTest, RefusesAMisalignedTensor) {
  layers_[1][1].data = memory_ + 512 + 258;
  ExpectRefused("is not a multiple of the 4 bytes of float32");
}

TEST_F(ExpertWeightsTest, RefusesRowsThatAreNotWholeElements) {
  layers_[1][1].bytes_per_row = 6;
  ExpectRefused("misaligned for the 4 bytes of float32");
}

TEST_F(ExpertWeightsTest, RefusesRowsThatOverlapInOneTensor) {
  layers_[1][1].stride_bytes = 4;
  ExpectRefused("rows overlap: 8 bytes every 4");
}

TEST_F(ExpertWeightsTest, RefusesRowsThatOverlapAnotherTensors) {
  layers_[1][1].data = memory_ + 512 + 60;
  ExpectRefused("tensor weight, row 0 overlaps layer 1, tensor scale, row 0");
}

TEST_F(ExpertWeightsTest, RefusesRowsThatOverlapAnotherLayers) {
  layers_[1][1].data = memory_ + 256 + 8;
  ExpectRefused("overlaps");
}

TEST_F(ExpertWeightsTest, RefusesDifferentSlotCounts) {
  layers_[1][1].num_rows = 2;
  ExpectRefused("has 2 slots, layer 0, tensor weight has 3");
}

TEST_F(ExpertWeightsTest, RefusesTensorsInDifferentSpaces) {
  layers_[1][1].space = MemorySpace::kDevice;
  ExpectRefused("is in device memory, layer 0, tensor weight in host");
}

TEST_F(ExpertWeightsTest, RefusesEmptyRowsAndNoRows) {
  layers_[1][1].bytes_per_row = 0;
  ExpectRefused("rows of 0 bytes");
  layers_[1][1].num_rows = 0;
  ExpectRefused("0 rows");
}

TEST_F(ExpertWeightsTest, RefusesRowsBeyondTheLastAddress) {
  layers_[1][1].stride_bytes = size_t{1} << 63;
  ExpectRefused("beyond the last address");
}

TEST_F(ExpertWeightsTest, RefusesANameTwice) {
  layers_[1][0].name = "scale";
  ExpectRefused("tensors 0 and 1 are both called scale");
}

TEST_F(ExpertWeightsTest, HashesWhatRanksMustShareAndNothingElse) {
  const auto hash = [&] {
    return ExpertWeights::Create(layers_)->LayoutHash();
  };
  const uint64_t before = hash();
  layers_[1][0].stride_bytes = 80;
  layers_[0][1].data = memory_ + 300;
  EXPECT_EQ(hash(), before);
  layers_[1][1].bytes_per_row = 4;
  const uint64_t smaller = hash();
  EXPECT_NE(smaller, before);
  layers_[1][1].element_type = WeightType::kInt32;
  const uint64_t other_type = hash();
  EXPECT_NE(other_type, smaller);
  layers_[1][1].name = "bias";
  EXPECT_NE(hash(), other_type);
}

}  // namespace
}  // namespace eplb
