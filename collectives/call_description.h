// CallDescription: what all ranks must give alike in a call, and how an error
// says that they do not.

#ifndef EPLB_COLLECTIVES_CALL_DESCRIPTION_H_
#define EPLB_COLLECTIVES_CALL_DESCRIPTION_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "collectives/operation.h"

namespace eplb {

struct CallDescription {
  Operation operation = Operation::kBarrier;
  uint64_t num_bytes = 0;  // Of each rank; 0 for Exchange.
  int root = 0;
  std::string clone_name = {};

  friend bool operator==(const CallDescription&,
                         const CallDescription&) = default;
};

// OK when all ranks describe the same call, else FailedPrecondition that names
// the ranks and what they called.
absl::Status CompareDescriptions(
    int num_ranks,
    absl::FunctionRef<const CallDescription&(int rank)> description_of);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CALL_DESCRIPTION_H_
