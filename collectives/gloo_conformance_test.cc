#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

// A factory with the folder that its job meets in.
class FactoryWithFolder final : public CommunicatorFactory {
 public:
  FactoryWithFolder(std::unique_ptr<CommunicatorFactory> factory,
                    std::shared_ptr<TemporaryFolder> folder)
      : folder_(std::move(folder)), factory_(std::move(factory)) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    return factory_->Connect(epoch, members, deadline);
  }

 private:
  const std::shared_ptr<TemporaryFolder> folder_;
  const std::unique_ptr<CommunicatorFactory> factory_;
};

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock) {
  const auto folder = std::make_shared<TemporaryFolder>();
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    GlooJobOptions options;
    options.job_id = "conformance";
    options.rank = rank;
    options.num_ranks = num_ranks;
    options.secret = "only ranks know";
    auto factory = GlooCommunicatorFactory::Create(
        options, std::make_shared<DirectoryStore>(folder->path()), clock);
    factories.push_back(
        std::make_unique<FactoryWithFolder>(*std::move(factory), folder));
  }
  return factories;
}

std::vector<std::unique_ptr<CommunicatorFactory>> MakeCheckedJob(int num_ranks,
                                                                 Clock& clock) {
  auto factories = MakeJob(num_ranks, clock);
  for (auto& factory : factories) {
    factory = DecoratedFactory(
        std::move(factory),
        [](std::unique_ptr<Communicator> inner, uint64_t /*epoch*/) {
          return std::make_unique<CheckedCommunicator>(std::move(inner));
        });
  }
  return factories;
}

// 16 ranks are 240 connections of each kind in one process, so only the tests
// that go through numbers of ranks run with so many.
const std::map<ConformanceRule, std::string> kFixedNumbersOfRanks = {
    {ConformanceRule::kSeveralRanks, "has its own number of ranks, not 16"},
    {ConformanceRule::kComparesCalls, "has its own number of ranks, not 16"}};

INSTANTIATE_TEST_SUITE_P(
    Gloo, CommunicatorConformanceTest,
    testing::Values(
        ConformanceBackend{.name = "gloo", .make_job = MakeJob, .max_ranks = 8},
        ConformanceBackend{.name = "gloo_of_16",
                           .make_job = MakeJob,
                           .min_ranks = 16,
                           .exceptions = kFixedNumbersOfRanks},
        ConformanceBackend{
            .name = "checked_gloo", .make_job = MakeCheckedJob, .max_ranks = 8},
        ConformanceBackend{.name = "checked_gloo_of_16",
                           .make_job = MakeCheckedJob,
                           .min_ranks = 16,
                           .exceptions = kFixedNumbersOfRanks}),
    ConformanceBackendName);

}  // namespace
}  // namespace eplb
