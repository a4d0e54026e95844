// PeerWatch: learns at once when another rank fails or leaves, for a backend
// whose own operations would only wait: a call that never ends by itself is
// kept pending on a channel, and the failure of any rank ends it.
//
//   EPLB_ASSIGN_OR_RETURN(
//       const std::unique_ptr<PeerWatch> watch,
//       PeerWatch::Start(control, deadline, [&](absl::Status failure) {
//         ... end the pending operation with `failure` ...
//       }));
//   watch->Tell(absl::ResourceExhaustedError("no memory"));  // To the others.
//
// As good as the channel: what it does not notice, nobody is told.

#ifndef EPLB_COLLECTIVES_PEER_WATCH_H_
#define EPLB_COLLECTIVES_PEER_WATCH_H_

#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

class PeerWatch {
 public:
  // All ranks of `control` call it. `on_failure` is called at most once, from a
  // thread of the watch, also with what this rank tells the others.
  static absl::StatusOr<std::unique_ptr<PeerWatch>> Start(
      Communicator& control, SteadyTime deadline,
      std::function<void(absl::Status)> on_failure);

  // Tells the others that this rank has left, where nothing was told before.
  // No callback runs afterwards.
  ~PeerWatch();

  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  // The others' callbacks get `failure`, an error. Thread-safe.
  void Tell(const absl::Status& failure);

 private:
  PeerWatch(std::unique_ptr<Communicator> without_first,
            std::unique_ptr<Communicator> without_others,
            std::function<void(absl::Status)> on_failure);

  // A call ends when all ranks have made it; so nobody makes it everywhere:
  // rank 0 does not on the one channel, the others do not on the other.
  const std::unique_ptr<Communicator> without_first_;
  const std::unique_ptr<Communicator> without_others_;
  absl::Mutex mutex_;
  absl::Status told_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_PEER_WATCH_H_
