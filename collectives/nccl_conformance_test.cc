// The nccl backend keeps the rules, on a fake of NCCL that holds it to NCCL's.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/conformance_memory.h"
#include "collectives/in_process.h"
#include "collectives/nccl_communicator.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_device_memory.h"
#include "testing/fake_nccl.h"

namespace eplb {
namespace {

// The devices' memory, and what the tests have of it.
const std::shared_ptr<FakeDeviceMemory>& DeviceMemory() {
  static const auto& memory =
      *new std::shared_ptr<FakeDeviceMemory>(new FakeDeviceMemory());
  return memory;
}

ConformanceMemory OnDevices() {
  return {.space = MemorySpace::kDevice, .allocate = [](size_t num_bytes) {
            return DeviceMemory()->Allocate(num_bytes);
          }};
}

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

// The control channel is not what is under test: its looks do not count.
SystemClock& ControlClock() {
  static SystemClock& clock = *new SystemClock();
  return clock;
}

using Factories = std::vector<std::unique_ptr<CommunicatorFactory>>;

Factories MakeNcclJob(int num_ranks, Clock& clock, int polls) {
  const auto group = InProcessGroup::Create(num_ranks, ControlClock());
  const auto strict = std::make_shared<StrictFakeNccl>();
  strict->nccl->StayInProgress(polls);
  strict->nccl->ServeOnly(DeviceMemory());
  // Kept as long as anything calls it.
  const std::shared_ptr<NcclApi> api(strict, strict->nccl.get());
  Factories factories;
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories.push_back(std::make_unique<NcclCommunicatorFactory>(
        api, clock,
        NcclOwnerOptions{.device = rank,
                         .abort_bound = std::chrono::seconds(60),
                         .polls_after_peer_failure = 10,
                         .roll_call_bound = std::chrono::seconds(60)},
        (*group)->FactoryOfRank(rank)));
  }
  return factories;
}

// Checks communicators of `data` over communicators of `control`.
class CheckedFactory final : public CommunicatorFactory {
 public:
  CheckedFactory(std::unique_ptr<CommunicatorFactory> data,
                 std::unique_ptr<CommunicatorFactory> control)
      : data_(std::move(data)), control_(std::move(control)) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                          control_->Connect(epoch, members, deadline));
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> data,
                          data_->Connect(epoch, members, deadline));
    auto checked = std::make_unique<CheckedCommunicator>(std::move(data),
                                                         std::move(control));
    checked->context().epoch = epoch;
    return std::unique_ptr<Communicator>(std::move(checked));
  }

 private:
  const std::unique_ptr<CommunicatorFactory> data_;
  const std::unique_ptr<CommunicatorFactory> control_;
};

Factories MakeCheckedJob(int num_ranks, Clock& clock) {
  const auto group = InProcessGroup::Create(num_ranks, clock);
  Factories factories = MakeNcclJob(num_ranks, clock, /*polls=*/2);
  for (int rank = 0; rank < num_ranks; ++rank) {
    factories[rank] = std::make_unique<CheckedFactory>(
        std::move(factories[rank]), (*group)->FactoryOfRank(rank));
  }
  return factories;
}

ConformanceBackend Nccl(std::string name, int polls) {
  return {.name = std::move(name),
          .make_job =
              [polls](int num_ranks, Clock& clock) {
                return MakeNcclJob(num_ranks, clock, polls);
              },
          .exceptions = {{ConformanceRule::kComparesCalls,
                          "NCCL compares nothing; CheckedCommunicator does"},
                         {ConformanceRule::kNamesAwaited,
                          "NCCL does not say whom it waits for"}},
          .memory = OnDevices(),
          .refused = MemorySpace::kHost};
}

ConformanceBackend CheckedOverNccl() {
  return {.name = "checked_over_nccl",
          .make_job = MakeCheckedJob,
          .memory = OnDevices(),
          .refused = MemorySpace::kHost};
}

INSTANTIATE_TEST_SUITE_P(Nccl, CommunicatorConformanceTest,
                         testing::Values(Nccl("nccl_at_once", 0),
                                         Nccl("nccl_in_progress", 2),
                                         CheckedOverNccl()),
                         ConformanceBackendName);

}  // namespace
}  // namespace eplb
