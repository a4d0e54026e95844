#include "tools/run/first_sentence.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::StatusOr<std::string> FirstSentence(Communicator& communicator,
                                          absl::string_view mine,
                                          SteadyTime deadline) {
  std::string sentence(mine.substr(0, kMaxSentence));
  // Ranks gather as many bytes each.
  sentence.resize(kMaxSentence, '\0');
  std::string all(kMaxSentence * communicator.size(), '\0');
  EPLB_RETURN_IF_ERROR(communicator.AllGather(
      {sentence.data(), sentence.size()}, {all.data(), all.size()}, deadline));
  const size_t begin = std::min(all.find_first_not_of('\0'), all.size());
  const std::string first = all.substr(begin, kMaxSentence);
  return first.substr(0, first.find('\0'));
}

}  // namespace eplb
