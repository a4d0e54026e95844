// InProcessGroup: ranks that are threads of one process. The default of the
// embedded library, of the demo and of most tests.
//
//   EPLB_ASSIGN_OR_RETURN(std::unique_ptr<InProcessGroup> group,
//                         InProcessGroup::Create(/*num_ranks=*/8, clock));
//   // On the thread of each rank:
//   std::unique_ptr<CommunicatorFactory> factory =
//       group->FactoryOfRank(rank);
//   EPLB_ASSIGN_OR_RETURN(
//       std::unique_ptr<Communicator> communicator,
//       factory->Connect(/*epoch=*/1, {0, 1, 2, 3, 4, 5, 6, 7}, deadline));
//
// Serves host memory. Exchange copies each message once, from the sender's
// buffer to the receiver's, on the receiver's thread. All time comes from the
// clock, a fake one included; waiting ranks sleep. A failure of one rank ends
// the pending calls of all at once.

#ifndef EPLB_COLLECTIVES_IN_PROCESS_H_
#define EPLB_COLLECTIVES_IN_PROCESS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "collectives/in_process_channel.h"
#include "collectives/in_process_rendezvous.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe. Its factories and communicators may outlive it.
class InProcessGroup {
 public:
  static constexpr int kMaxRanks = InProcessChannel::kMaxRanks;

  // `num_ranks` from 1 to kMaxRanks. `clock` outlives all that comes from here.
  static absl::StatusOr<std::unique_ptr<InProcessGroup>> Create(int num_ranks,
                                                                Clock& clock);

  int num_ranks() const { return rendezvous_->num_ranks(); }

  // The factory that rank `rank` of [0, num_ranks()) connects with. Any subset
  // of the ranks may connect in an epoch, also while others are in another. A
  // rank that connects in an epoch gives up all earlier ones that it has not
  // finished connecting in.
  std::unique_ptr<CommunicatorFactory> FactoryOfRank(int rank) const;

 private:
  explicit InProcessGroup(std::shared_ptr<InProcessRendezvous> rendezvous);

  const std::shared_ptr<InProcessRendezvous> rendezvous_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_IN_PROCESS_H_
