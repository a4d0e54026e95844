// FailureCause: of the errors of several ranks the one that the others follow
// from.
//
//   FailureCause cause;
//   cause.Update(of_rank_2);  // UNAVAILABLE: rank 1 has left.
//   cause.Update(of_rank_1);  // INTERNAL: rank 1, slot 7: wrong bytes.
//   return cause.status();    // The second.

#ifndef EPLB_TOOLS_RUN_FAILURE_CAUSE_H_
#define EPLB_TOOLS_RUN_FAILURE_CAUSE_H_

#include "absl/status/status.h"
#include "tools/command/exit_status.h"

namespace eplb {

// A rank that fails takes the others along, and theirs may come in first: what
// a rank has found by itself counts before what ranks say of each other. Of
// equals the first stays. Thread-compatible.
class FailureCause {
 public:
  void Update(const absl::Status& status) {
    if (status.ok()) return;
    if (status_.ok() || (IsAboutPeers(status_) && !IsAboutPeers(status))) {
      status_ = status;
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  static bool IsAboutPeers(const absl::Status& status) {
    return ExitStatusOf(status) == kExitLostPeer;
  }

  absl::Status status_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_FAILURE_CAUSE_H_
