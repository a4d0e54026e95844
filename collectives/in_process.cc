#include "collectives/in_process.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process_rendezvous.h"
#include "eplb/core/clock.h"

namespace eplb {
namespace {

class InProcessFactory final : public CommunicatorFactory {
 public:
  InProcessFactory(std::shared_ptr<InProcessRendezvous> rendezvous, int rank)
      : rendezvous_(std::move(rendezvous)), rank_(rank) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    return rendezvous_->Connect(rank_, epoch, members, deadline);
  }

 private:
  const std::shared_ptr<InProcessRendezvous> rendezvous_;
  const int rank_;
};

}  // namespace

InProcessGroup::InProcessGroup(std::shared_ptr<InProcessRendezvous> rendezvous)
    : rendezvous_(std::move(rendezvous)) {}

absl::StatusOr<std::unique_ptr<InProcessGroup>> InProcessGroup::Create(
    int num_ranks, Clock& clock) {
  if (num_ranks < 1 || num_ranks > kMaxRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("an in-process group of ", num_ranks,
                     " ranks: there can be 1 to ", kMaxRanks));
  }
  return absl::WrapUnique(new InProcessGroup(
      std::make_shared<InProcessRendezvous>(num_ranks, clock)));
}

std::unique_ptr<CommunicatorFactory> InProcessGroup::FactoryOfRank(
    int rank) const {
  return std::make_unique<InProcessFactory>(rendezvous_, rank);
}

}  // namespace eplb
