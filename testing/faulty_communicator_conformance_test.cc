#include <memory>
#include <utility>
#include <vector>

#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/in_process.h"
#include "gtest/gtest.h"
#include "testing/faulty_communicator.h"

namespace eplb {
namespace {

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(DecoratedFactory(
        (*group)->FactoryOfRank(rank),
        [&clock](std::unique_ptr<Communicator> communicator, uint64_t) {
          return std::make_unique<FaultyCommunicator>(
              std::move(communicator), clock, std::vector<Fault>{});
        }));
  }
  return factories;
}

INSTANTIATE_TEST_SUITE_P(FaultyWithoutFaults, CommunicatorConformanceTest,
                         testing::Values(ConformanceBackend{
                             .name = "faulty_over_in_process",
                             .make_job = MakeJob}),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
