// ExpertModel: the weights of every logical expert of `eplb run`, made from
// nothing but its numbers, so that any rank can make those of any expert anew:
// to begin with, to check what lies in a slot, and for the reference that
// balancing must not change.
//
//   ExpertModel model({.num_layers = 4, .num_logical_experts = 64,
//                      .expert_bytes = 65536, .seed = 1});
//   model.FillWeights(layer, expert, /*offset=*/0, weights);
//   std::string wrong = model.WhatIsWrong(layer, expert, weights, scales);
//
// An expert has two tensors, as a quantised one has: the weights, and a scale
// for each row of its output. No 8 bytes of one expert are, save by accident,
// those of another, another layer, another tensor or another offset.

#ifndef EPLB_TOOLS_RUN_EXPERT_MODEL_H_
#define EPLB_TOOLS_RUN_EXPERT_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "tools/run/expert_computation.h"

namespace eplb {

struct ExpertModelOptions {
  // Room for the scales, and for windows of the weights that differ.
  static constexpr int kMinExpertBytes = 1024;

  int num_layers = 1;
  int num_logical_experts = 1;
  int expert_bytes = 65536;  // Of both tensors together.
  uint64_t seed = 1;
};

// Thread-safe.
class ExpertModel {
 public:
  explicit ExpertModel(const ExpertModelOptions& options) : options_(options) {}

  int num_layers() const { return options_.num_layers; }
  int num_logical_experts() const { return options_.num_logical_experts; }

  // The bytes of an expert in each tensor.
  size_t weight_bytes() const { return options_.expert_bytes - kScaleBytes; }
  static constexpr size_t kScaleBytes = kHiddenSize * sizeof(int32_t);

  // The expert's weights from `offset` on.
  void FillWeights(int layer, int expert, size_t offset,
                   absl::Span<std::byte> weights) const;
  void FillScales(int layer, int expert, absl::Span<std::byte> scales) const;

  // Says in a sentence what the first byte is that is not the expert's, and
  // whose it is; empty when all are right.
  std::string WhatIsWrong(int layer, int expert,
                          absl::Span<const std::byte> weights,
                          absl::Span<const std::byte> scales) const;

 private:
  enum class Tensor { kWeights, kScales };

  uint64_t Key(int layer, int expert, Tensor tensor) const;
  // Empty when `bytes` are the expert's.
  std::string WhatIsWrongIn(Tensor tensor, int layer, int expert,
                            absl::Span<const std::byte> bytes) const;
  // "; they are expert 7's", when they are another's of the layer.
  std::string WhoseInstead(Tensor tensor, int layer, size_t offset,
                           absl::Span<const std::byte> bytes) const;

  const ExpertModelOptions options_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_EXPERT_MODEL_H_
