// The nccl backend keeps the rules, on a fake of NCCL that holds it to NCCL's.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/in_process.h"
#include "collectives/nccl_communicator.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_nccl.h"

namespace eplb {
namespace {

// All memory is device memory to the fake.
class OnFakeDevices final : public Communicator {
 public:
  explicit OnFakeDevices(std::unique_ptr<Communicator> communicator)
      : communicator_(std::move(communicator)) {}

  int rank() const override { return communicator_->rank(); }
  int size() const override { return communicator_->size(); }
  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override {
    return communicator_->AllReduceSum(values, deadline);
  }
  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override {
    mine.space = all.space = MemorySpace::kDevice;
    return communicator_->AllGather(mine, all, deadline);
  }
  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override {
    data.space = MemorySpace::kDevice;
    return communicator_->Broadcast(data, root, deadline);
  }
  absl::Status Barrier(SteadyTime deadline) override {
    return communicator_->Barrier(deadline);
  }
  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override {
    std::vector<SendMessage> device_sends(sends.begin(), sends.end());
    std::vector<ReceiveMessage> device_receives(receives.begin(),
                                                receives.end());
    for (SendMessage& message : device_sends) {
      message.buffer.space = MemorySpace::kDevice;
    }
    for (ReceiveMessage& message : device_receives) {
      message.buffer.space = MemorySpace::kDevice;
    }
    return communicator_->Exchange(device_sends, device_receives, deadline);
  }
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override {
    auto clone = communicator_->Clone(name, deadline);
    if (!clone.ok()) return clone.status();
    return std::unique_ptr<Communicator>(
        std::make_unique<OnFakeDevices>(*std::move(clone)));
  }
  void Abort(absl::Status reason) override {
    communicator_->Abort(std::move(reason));
  }
  std::string ToString() const override { return communicator_->ToString(); }

 private:
  const std::unique_ptr<Communicator> communicator_;
};

// Says what the backend did against NCCL's rules, at the end of a job.
class StrictFakeNccl {
 public:
  ~StrictFakeNccl() {
    EXPECT_THAT(nccl->Violations(), testing::IsEmpty());
    EXPECT_EQ(nccl->Leftovers(), "");
    EXPECT_LE(nccl->largest_group(), 32);
  }

  const std::shared_ptr<FakeNccl> nccl = std::make_shared<FakeNccl>();
};

std::vector<std::unique_ptr<CommunicatorFactory>> MakeJob(int num_ranks,
                                                          Clock& clock,
                                                          int polls) {
  // The control channel is not what is under test: its looks do not count.
  static SystemClock& control_clock = *new SystemClock();
  const auto group = InProcessGroup::Create(num_ranks, control_clock);
  const auto strict = std::make_shared<StrictFakeNccl>();
  strict->nccl->StayInProgress(polls);
  // Kept as long as anything calls it.
  const std::shared_ptr<NcclApi> api(strict, strict->nccl.get());
  std::vector<std::unique_ptr<CommunicatorFactory>> factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(DecoratedFactory(
        std::make_unique<NcclCommunicatorFactory>(
            api, clock,
            NcclOwnerOptions{.device = rank,
                             .abort_bound = std::chrono::seconds(60),
                             .polls_after_peer_failure = 10},
            (*group)->FactoryOfRank(rank)),
        [](std::unique_ptr<Communicator> communicator, uint64_t) {
          return std::make_unique<OnFakeDevices>(std::move(communicator));
        }));
  }
  return factories;
}

ConformanceBackend Backend(std::string name, int polls) {
  return {.name = std::move(name),
          .make_job =
              [polls](int num_ranks, Clock& clock) {
                return MakeJob(num_ranks, clock, polls);
              },
          .exceptions = {
              {ConformanceRule::kComparesCalls,
               "NCCL compares nothing; CheckedCommunicator does"},
              {ConformanceRule::kNamesMissing,
               "NCCL does not say which ranks have come"},
              {ConformanceRule::kRefusesDevices, "serves device memory"},
          }};
}

INSTANTIATE_TEST_SUITE_P(Nccl, CommunicatorConformanceTest,
                         testing::Values(Backend("nccl_at_once", 0),
                                         Backend("nccl_in_progress", 2)),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
