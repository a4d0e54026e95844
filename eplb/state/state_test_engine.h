// TestEngine: one rank of an engine as tests need it: weights whose bytes tell
// which expert they are, and forward passes that route by the layer views.
//
//   TestEngine engine(shape, /*slots_per_rank=*/4);
//   engine.Load(Placement::Initial(shape), rank);
//   state->AddModel("main", shape, engine.Weights());
//   engine.Forward(*state, /*model=*/0, random);
//   EXPECT_EQ(engine.FindWrongRow(state->placement(0), rank), "");

#ifndef EPLB_STATE_STATE_TEST_ENGINE_H_
#define EPLB_STATE_STATE_TEST_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/load/load_recorder.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_state.h"
#include "kernels/device.h"
#include "testing/deterministic_random.h"

namespace eplb {

// Tokens of one pass: the slots that the ids of each layer were sent to.
struct RoutedTokens {
  struct Token {
    int layer = 0;
    int expert = 0;
    int32_t slot = 0;
  };
  std::vector<Token> tokens;
};

// Thread-compatible.
class TestEngine {
 public:
  // Fresh slots are poisoned.
  TestEngine(const ModelShape& shape, int slots_per_rank);

  void set_counted_experts(CountedExperts counted) { counted_ = counted; }

  // What `placement` puts on `rank`.
  void Load(const Placement& placement, int rank);

  ExpertWeights Weights() const;

  // The first row that does not hold the expert which `placement` says, or
  // nothing.
  std::string FindWrongRow(const Placement& placement, int rank) const;

  // A number that an expert computes from its own bytes, of each local slot of
  // each layer, [layers, slots per rank].
  std::vector<uint64_t> ComputeSlots() const;
  // The same of logical weights made anew.
  static uint64_t ComputeExpert(int layer, int expert);

  // A pass of skewed traffic, whose hot experts drift with `phase`, counted as
  // the model is.
  RoutedTokens Forward(EplbState& state, int model, Device& device,
                       Stream& stream, int num_tokens, int phase,
                       DeterministicRandom& random) const;

 private:
  static constexpr size_t kWeightBytes = 96;
  static constexpr size_t kScaleBytes = 8;

  std::byte* Row(int layer, int tensor, int slot) const;

  const ModelShape shape_;
  const int slots_per_rank_;
  CountedExperts counted_ = CountedExperts::kSlots;
  // [layers, slots per rank] rows of each tensor. Borrowed by Weights().
  mutable std::vector<std::byte> weights_;
  mutable std::vector<std::byte> scales_;
};

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_ENGINE_H_
