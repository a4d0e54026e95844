#include <memory>
#include <utility>
#include <vector>

#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/in_process.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

std::unique_ptr<Communicator> Check(std::unique_ptr<Communicator> communicator,
                                    uint64_t epoch) {
  auto checked = std::make_unique<CheckedCommunicator>(std::move(communicator));
  checked->context().epoch = epoch;
  return checked;
}

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(DecoratedFactory((*group)->FactoryOfRank(rank), Check));
  }
  return factories;
}

INSTANTIATE_TEST_SUITE_P(Checked, CommunicatorConformanceTest,
                         testing::Values(ConformanceBackend{
                             .name = "checked_over_in_process",
                             .make_job = MakeJob}),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
