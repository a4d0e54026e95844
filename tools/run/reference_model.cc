#include "tools/run/reference_model.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"
#include "tools/run/token_traffic.h"

namespace eplb {

void ReferenceModel::Begin(uint64_t token) {
  token_ = token;
  activation_ = Embed(token);
}

void ReferenceModel::Forward(int layer, absl::Span<const int32_t> experts) {
  const MatrixOffsets offsets = MatrixOffsetsFor(token_, model_.weight_bytes());
  std::array<std::byte, kMatrixBytes> up;
  std::array<std::byte, kMatrixBytes> down;
  std::array<std::byte, ExpertModel::kScaleBytes> scales;
  Activation sum = {};
  for (int choice = 0; choice < kExpertsPerToken; ++choice) {
    const int32_t expert = experts[choice];
    if (expert < 0) continue;
    model_.FillWeights(layer, expert, offsets.up, absl::MakeSpan(up));
    model_.FillWeights(layer, expert, offsets.down, absl::MakeSpan(down));
    model_.FillScales(layer, expert, absl::MakeSpan(scales));
    AddGated(
        ComputeExpert({up.data(), down.data(), scales.data()}, activation_),
        kGates[choice], sum);
  }
  activation_ = LeaveLayer(activation_, sum);
}

}  // namespace eplb
