#include "collectives/builtin_communicators.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/communicator_registry.h"
#include "collectives/gloo.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"

namespace eplb {

absl::Status RegisterInProcess(CommunicatorRegistry& registry,
                               std::shared_ptr<const InProcessGroup> group,
                               int rank) {
  if (rank < 0 || rank >= group->num_ranks()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", rank, " is not in [0, ", group->num_ranks(), ")"));
  }
  return registry.Register(
      "in_process",
      {.joins_processes = false,
       .memory = {MemorySpace::kHost, MemorySpace::kPinnedHost},
       .make_factory = [group = std::move(group), rank]()
           -> absl::StatusOr<std::unique_ptr<CommunicatorFactory>> {
         return group->FactoryOfRank(rank);
       }});
}

absl::Status RegisterGloo(CommunicatorRegistry& registry,
                          GlooJobOptions options,
                          std::shared_ptr<RendezvousStore> store,
                          Clock& clock) {
  return registry.Register(
      "gloo",
      {.joins_processes = true,
       .memory = {MemorySpace::kHost, MemorySpace::kPinnedHost},
       .make_factory =
           [options = std::move(options), store = std::move(store),
            &clock]() -> absl::StatusOr<std::unique_ptr<CommunicatorFactory>> {
         return GlooCommunicatorFactory::Create(options, store, clock);
       }});
}

}  // namespace eplb
