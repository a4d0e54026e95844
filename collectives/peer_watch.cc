#include "collectives/peer_watch.h"

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// A hundred years after the machine started: no clock needs to be asked.
constexpr SteadyTime kNever(std::chrono::hours(24 * 365 * 100));

}  // namespace

absl::StatusOr<std::unique_ptr<PeerWatch>> PeerWatch::Start(
    Communicator& control, SteadyTime deadline,
    std::function<void(absl::Status)> on_failure) {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> without_first,
                        control.Clone("watch of the others", deadline));
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> without_others,
                        control.Clone("watch of rank 0", deadline));
  return absl::WrapUnique(new PeerWatch(std::move(without_first),
                                        std::move(without_others),
                                        std::move(on_failure)));
}

PeerWatch::PeerWatch(std::unique_ptr<Communicator> without_first,
                     std::unique_ptr<Communicator> without_others,
                     std::function<void(absl::Status)> on_failure)
    : without_first_(std::move(without_first)),
      without_others_(std::move(without_others)) {
  if (without_first_->size() == 1) return;
  thread_ = std::thread([this, on_failure = std::move(on_failure)] {
    Communicator& channel =
        without_first_->rank() == 0 ? *without_others_ : *without_first_;
    absl::Status failure = channel.Barrier(kNever);
    if (failure.ok()) {
      failure = absl::InternalError(
          "a call that not all ranks make has ended: the channel is broken");
    }
    if (absl::IsFailedPrecondition(failure)) {
      // Where Tell came before this thread began, the call quotes it only.
      absl::MutexLock lock(&mutex_);
      if (!told_.ok()) failure = told_;
    }
    on_failure(std::move(failure));
  });
}

PeerWatch::~PeerWatch() {
  Tell(absl::UnavailableError("it has left"));
  if (thread_.joinable()) thread_.join();
}

void PeerWatch::Tell(const absl::Status& failure) {
  {
    absl::MutexLock lock(&mutex_);
    if (told_.ok()) told_ = failure;
  }
  without_first_->Abort(failure);
  without_others_->Abort(failure);
}

}  // namespace eplb
