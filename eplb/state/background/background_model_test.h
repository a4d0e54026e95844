// BackgroundModel: ranks that serve and rearrange in the background, with the
// production code from the fence to the weight shuffler, in an order of events
// drawn from a seed, over a network on its bad days; and a judge who knows what
// must hold whatever happens.

#ifndef EPLB_STATE_BACKGROUND_BACKGROUND_MODEL_TEST_H_
#define EPLB_STATE_BACKGROUND_BACKGROUND_MODEL_TEST_H_

#include <cstdint>
#include <string>
#include <vector>

namespace eplb {

struct ModelOptions {
  uint64_t seed = 0;
  // Whether ranks die, are shut down, and links stall.
  bool has_accidents = true;

  // What the judge must find: a fence on the step that has passed, and a
  // serving thread that goes on in doubt.
  int64_t fence_margin = 1;
  bool serves_in_doubt = false;
};

struct ModelOutcome {
  // In words; empty when all that must hold did.
  std::vector<std::string> violations;

  // What happened, summed over the ranks.
  int64_t switches = 0;
  int64_t runs = 0;
  int64_t failures = 0;
  int64_t doubts = 0;   // Steps that did not pass because of one.
  int64_t settled = 0;  // Steps that did after all.
  int64_t fence_waits = 0;
  int64_t drains_repeated = 0;
  // Steps and drains, by engines that have run out of patience.
  int64_t given_up = 0;
};

// The same outcome for the same options.
ModelOutcome RunModel(const ModelOptions& options);

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_BACKGROUND_MODEL_TEST_H_
