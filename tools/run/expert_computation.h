// What an expert of `eplb run` computes: a feed-forward block, small enough to
// run on a laptop by the million, from the bytes that lie in its slot.
//
//   const ExpertView expert = {weights, scales};
//   Activation output = ComputeExpert(SliceFor(expert, token), input);
//
// In integers, so that the order of additions, the compiler and the machine
// cannot change a bit of the output: that of a balanced run and that of the
// reference are equal or one of them is wrong.

#ifndef EPLB_TOOLS_RUN_EXPERT_COMPUTATION_H_
#define EPLB_TOOLS_RUN_EXPERT_COMPUTATION_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace eplb {

inline constexpr int kHiddenSize = 16;
inline constexpr size_t kMatrixBytes = kHiddenSize * kHiddenSize;

// What a layer gets for a token and gives for it. Within 16 bits.
using Activation = std::array<int32_t, kHiddenSize>;

// Where in an expert's weights the two matrices are that a token meets. They
// differ from token to token, so that traffic reads all of the weights.
struct MatrixOffsets {
  size_t up = 0;
  size_t down = 0;
};
MatrixOffsets MatrixOffsetsFor(uint64_t token, size_t weight_bytes);

// Matrices of 8-bit integers in rows, and a 32-bit scale for each row of the
// output. Borrowed. Need no alignment.
struct ExpertSlice {
  const std::byte* up = nullptr;
  const std::byte* down = nullptr;
  const std::byte* scales = nullptr;
};

Activation ComputeExpert(const ExpertSlice& expert, const Activation& input);

// The token as it enters the first layer.
Activation Embed(uint64_t token);

// Adds an expert's output to what the token has, with a weight of 256ths.
void AddGated(const Activation& output, int gate, Activation& sum);

// What leaves a layer: half of what entered it, and the gated outputs.
Activation LeaveLayer(const Activation& input, const Activation& gated_sum);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_EXPERT_COMPUTATION_H_
