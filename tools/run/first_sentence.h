// FirstSentence: what the lowest rank that has something to say says.
//
//   EPLB_ASSIGN_OR_RETURN(
//       const std::string wrong,
//       FirstSentence(communicator, "rank 2, layer 0: ...", deadline));

#ifndef EPLB_TOOLS_RUN_FIRST_SENTENCE_H_
#define EPLB_TOOLS_RUN_FIRST_SENTENCE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// The rest of a longer one is cut off.
inline constexpr size_t kMaxSentence = 240;

// The same on all ranks, which all call; empty when none has anything to say.
absl::StatusOr<std::string> FirstSentence(Communicator& communicator,
                                          absl::string_view mine,
                                          SteadyTime deadline);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_FIRST_SENTENCE_H_
