// The backends that come along, registered by their names.
//
//   CommunicatorRegistry registry;
//   EPLB_RETURN_IF_ERROR(RegisterInProcess(registry, group, rank));
//   EPLB_RETURN_IF_ERROR(RegisterGloo(registry, options, store, clock));
//
// nccl is registered by collectives/nccl_registration.h.

#ifndef EPLB_COLLECTIVES_BUILTIN_COMMUNICATORS_H_
#define EPLB_COLLECTIVES_BUILTIN_COMMUNICATORS_H_

#include <memory>

#include "absl/status/status.h"
#include "collectives/communicator_registry.h"
#include "collectives/gloo.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"

namespace eplb {

// "in_process": rank `rank` of `group`.
absl::Status RegisterInProcess(CommunicatorRegistry& registry,
                               std::shared_ptr<const InProcessGroup> group,
                               int rank);

// "gloo": the process that `options` describe. `clock` outlives all that comes
// from it.
absl::Status RegisterGloo(CommunicatorRegistry& registry,
                          GlooJobOptions options,
                          std::shared_ptr<RendezvousStore> store, Clock& clock);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_BUILTIN_COMMUNICATORS_H_
