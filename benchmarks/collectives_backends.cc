#include "benchmarks/collectives_backends.h"

#include <memory>
#include <vector>

#include "benchmarks/collectives_yardsticks.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/in_process.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

std::vector<std::shared_ptr<CommunicatorFactory>> InProcessFactories(
    int num_ranks, Clock& clock) {
  const auto group = *InProcessGroup::Create(num_ranks, clock);
  std::vector<std::shared_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(group->FactoryOfRank(rank));
  }
  return factories;
}

std::vector<std::shared_ptr<CommunicatorFactory>> GlooFactories(int num_ranks,
                                                                Clock& clock) {
  const auto folder = std::make_shared<TemporaryFolder>();
  std::vector<std::shared_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    GlooJobOptions options;
    options.job_id = "benchmark";
    options.rank = rank;
    options.num_ranks = num_ranks;
    std::shared_ptr<CommunicatorFactory> factory =
        *GlooCommunicatorFactory::Create(
            options, std::make_shared<DirectoryStore>(folder->path()), clock);
    // With the folder that the ranks meet in.
    factories.emplace_back(factory.get(),
                           [factory, folder](CommunicatorFactory*) {});
  }
  return factories;
}

}  // namespace

CollectivesBackend InProcessBackend() {
  return {.name = "in_process",
          .make_factories = InProcessFactories,
          .barrier_yardsticks =
              [](int num_ranks) {
                return std::vector{StdBarrierYardstick(num_ranks)};
              },
          .transfer_yardsticks =
              [](bool) { return std::vector{MemcpyYardstick()}; },
          .barrier_ranks = {2, 8, 64},
          .max_rounds = 1 << 16};
}

CollectivesBackend GlooBackend() {
  return {.name = "gloo",
          .make_factories = GlooFactories,
          .barrier_yardsticks =
              [](int num_ranks) {
                if (num_ranks > 2) return std::vector<BarrierYardstick>();
                return std::vector{GlooPingPongYardstick(),
                                   SocketPingPongYardstick()};
              },
          .transfer_yardsticks =
              [](bool both_ways) {
                std::vector yardsticks = {BareGlooYardstick()};
                if (!both_ways) yardsticks.push_back(BareSocketYardstick());
                return yardsticks;
              },
          .barrier_ranks = {2, 8},
          .max_rounds = 32};
}

CollectivesBackend CheckedBackend(CollectivesBackend backend) {
  backend.name = "checked_" + backend.name;
  backend.is_checked = true;
  return backend;
}

}  // namespace eplb
