// ReferenceModel: what a token's output is with no balancing at all: every
// expert once, with weights made anew for each use.
//
//   ReferenceModel reference(model);
//   reference.Begin(token);
//   for (int layer = 0; ...) reference.Forward(layer, experts_of_token);
//   EXPECT_EQ(reference.output(), balanced_output);

#ifndef EPLB_TOOLS_RUN_REFERENCE_MODEL_H_
#define EPLB_TOOLS_RUN_REFERENCE_MODEL_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "tools/run/expert_computation.h"
#include "tools/run/expert_model.h"
#include "tools/run/token_traffic.h"

namespace eplb {

// The weight of a token's first and second expert, in 256ths.
inline constexpr int kGates[kExpertsPerToken] = {160, 96};

// One token at a time. Thread-compatible. The model outlives it.
class ReferenceModel {
 public:
  explicit ReferenceModel(const ExpertModel& model) : model_(model) {}

  void Begin(uint64_t token);
  // `experts` are logical, kExpertsPerToken; -1 for none.
  void Forward(int layer, absl::Span<const int32_t> experts);
  const Activation& output() const { return activation_; }

 private:
  const ExpertModel& model_;
  uint64_t token_ = 0;
  Activation activation_ = {};
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_REFERENCE_MODEL_H_
