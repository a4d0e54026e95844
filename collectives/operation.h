// Operation: which call of a Communicator. The numbers are part of the header
// of collectives/check_header.h and never change.

#ifndef EPLB_COLLECTIVES_OPERATION_H_
#define EPLB_COLLECTIVES_OPERATION_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace eplb {

enum class Operation : uint8_t {
  kAllReduceSum = 1,
  kAllGather = 2,
  kBroadcast = 3,
  kBarrier = 4,
  kExchange = 5,
  kClone = 6,
  kAgree = 7,  // Of CheckedCommunicator.
};

constexpr absl::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kAllReduceSum:
      return "AllReduceSum";
    case Operation::kAllGather:
      return "AllGather";
    case Operation::kBroadcast:
      return "Broadcast";
    case Operation::kBarrier:
      return "Barrier";
    case Operation::kExchange:
      return "Exchange";
    case Operation::kClone:
      return "Clone";
    case Operation::kAgree:
      return "Agree";
  }
  return "unknown operation";
}

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_OPERATION_H_
