#include <memory>
#include <vector>

#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/in_process.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back((*group)->FactoryOfRank(rank));
  }
  return factories;
}

INSTANTIATE_TEST_SUITE_P(InProcess, CommunicatorConformanceTest,
                         testing::Values(ConformanceBackend{
                             .name = "in_process", .make_job = MakeJob}),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
