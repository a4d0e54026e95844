#include "tools/run/expert_computation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

constexpr int64_t kMin = std::numeric_limits<int16_t>::min();
constexpr int64_t kMax = std::numeric_limits<int16_t>::max();

// These bring back to 16 bits what the products of a layer grow to.
constexpr int kHiddenShift = 9;
constexpr int kOutputShift = 36;

int32_t Clamp(int64_t value) {
  return static_cast<int32_t>(std::clamp(value, kMin, kMax));
}

int32_t RowProduct(const std::byte* row, const Activation& values) {
  int32_t sum = 0;
  for (int i = 0; i < kHiddenSize; ++i) {
    sum += static_cast<int8_t>(row[i]) * values[i];
  }
  return sum;
}

}  // namespace

MatrixOffsets MatrixOffsetsFor(uint64_t token, size_t weight_bytes) {
  const uint64_t hash = StableHash().Add(token).value();
  const uint64_t places = weight_bytes - kMatrixBytes + 1;
  return {.up = (hash >> 32) % places, .down = (hash & 0xffffffffu) % places};
}

Activation ComputeExpert(const ExpertSlice& expert, const Activation& input) {
  Activation hidden;
  for (int row = 0; row < kHiddenSize; ++row) {
    const int32_t sum = RowProduct(expert.up + row * kHiddenSize, input);
    hidden[row] = Clamp(std::max(sum, 0) >> kHiddenShift);
  }
  Activation output;
  for (int row = 0; row < kHiddenSize; ++row) {
    int32_t scale;
    std::memcpy(&scale, expert.scales + row * sizeof(scale), sizeof(scale));
    const int64_t sum = RowProduct(expert.down + row * kHiddenSize, hidden);
    output[row] = Clamp(sum * scale >> kOutputShift);
  }
  return output;
}

Activation Embed(uint64_t token) {
  Activation activation;
  for (int i = 0; i < kHiddenSize; ++i) {
    const uint64_t hash =
        StableHash().Add(token).Add(static_cast<uint64_t>(i)).value();
    activation[i] = static_cast<int16_t>(hash);
  }
  return activation;
}

void AddGated(const Activation& output, int gate, Activation& sum) {
  for (int i = 0; i < kHiddenSize; ++i) sum[i] += output[i] * gate >> 8;
}

Activation LeaveLayer(const Activation& input, const Activation& gated_sum) {
  Activation output;
  for (int i = 0; i < kHiddenSize; ++i) {
    output[i] = Clamp(int64_t{input[i] >> 1} + gated_sum[i]);
  }
  return output;
}

}  // namespace eplb
