#include "collectives/communicator_registry.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/channels.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr CommunicationNeeds kThreads = {};
constexpr CommunicationNeeds kProcesses = {.num_processes = 8};
constexpr CommunicationNeeds kGpus = {.num_processes = 8,
                                      .memory = MemorySpace::kDevice};

CommunicatorBackend HostBackend(bool joins_processes) {
  return {.joins_processes = joins_processes,
          .memory = {MemorySpace::kHost, MemorySpace::kPinnedHost},
          .make_factory =
              []() -> absl::StatusOr<std::unique_ptr<CommunicatorFactory>> {
            static SystemClock& clock = *new SystemClock();
            return (*InProcessGroup::Create(1, clock))->FactoryOfRank(0);
          }};
}

CommunicatorBackend DeviceBackend() {
  return {.joins_processes = true,
          .memory = {MemorySpace::kDevice, MemorySpace::kPinnedHost},
          .connect_data =
              [](uint64_t, std::unique_ptr<Communicator> control,
                 SteadyTime) -> absl::StatusOr<std::unique_ptr<Communicator>> {
            return control;
          }};
}

class CommunicatorRegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    EPLB_ASSERT_OK(registry_.Register("in_process", HostBackend(false)));
    EPLB_ASSERT_OK(registry_.Register("gloo", HostBackend(true)));
  }

  // "control/data" of what is made, or the error.
  absl::StatusOr<std::string> Made(const std::string& name,
                                   const CommunicationNeeds& needs) {
    const auto factory = registry_.Make(name, needs);
    if (!factory.ok()) return factory.status();
    return (*factory)->control_name() + "/" + (*factory)->data_name();
  }

  CommunicatorRegistry registry_;
};

TEST_F(CommunicatorRegistryTest, AutoIsInProcessForOneProcess) {
  EXPECT_THAT(Made("auto", kThreads), IsOkAndHolds("in_process/in_process"));
}

TEST_F(CommunicatorRegistryTest, AutoIsGlooForSeveralProcesses) {
  EPLB_ASSERT_OK(registry_.Register("nccl", DeviceBackend()));
  EXPECT_THAT(Made("auto", kProcesses), IsOkAndHolds("gloo/gloo"));
  EXPECT_THAT(
      Made("auto", {.num_processes = 8, .memory = MemorySpace::kPinnedHost}),
      IsOkAndHolds("gloo/gloo"));
}

TEST_F(CommunicatorRegistryTest, AutoIsNcclUnderDeviceMemory) {
  EPLB_ASSERT_OK(registry_.Register("nccl", DeviceBackend()));
  EXPECT_THAT(Made("auto", kGpus), IsOkAndHolds("gloo/nccl"));
  EXPECT_THAT(
      Made("auto", {.num_processes = 1, .memory = MemorySpace::kDevice}),
      IsOkAndHolds("in_process/nccl"));
}

TEST_F(CommunicatorRegistryTest, AutoSaysWhyDeviceMemoryCannotBeServed) {
  EXPECT_THAT(Made("auto", kGpus),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'gloo' serves host, pinned host"),
                             HasSubstr("no communicator is named 'nccl'"),
                             HasSubstr("auto, gloo, in_process"))));
  EPLB_ASSERT_OK(registry_.RegisterUnavailable(
      "nccl", absl::UnimplementedError("no toolkit")));
  EXPECT_THAT(Made("auto", kGpus),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("'gloo' serves host, pinned host"),
                             HasSubstr("'nccl': no toolkit"))));
}

TEST_F(CommunicatorRegistryTest, ANameIsWhatItSays) {
  EPLB_ASSERT_OK(registry_.Register("nccl", DeviceBackend()));
  EPLB_ASSERT_OK(registry_.Register("mpi", HostBackend(true)));
  EXPECT_THAT(Made("gloo", kThreads), IsOkAndHolds("gloo/gloo"));
  EXPECT_THAT(Made("mpi", kProcesses), IsOkAndHolds("mpi/mpi"));
  EXPECT_THAT(Made("nccl", kGpus), IsOkAndHolds("gloo/nccl"));
}

TEST_F(CommunicatorRegistryTest, UnknownNamesAreAnsweredWithThoseThereAre) {
  EPLB_ASSERT_OK(registry_.RegisterUnavailable(
      "nccl", absl::UnimplementedError("no toolkit")));
  EXPECT_THAT(Made("glue", kProcesses),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'glue'"),
                             HasSubstr("there are: auto, gloo, in_process"))));
  EXPECT_THAT(Made("nccl", kProcesses),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("no toolkit"),
                             HasSubstr("there are: auto, gloo, in_process"))));
  EXPECT_THAT(registry_.Names(), ElementsAre("auto", "gloo", "in_process"));
}

TEST_F(CommunicatorRegistryTest, RefusesABackendThatDoesNotFitTheJob) {
  EPLB_ASSERT_OK(registry_.Register("nccl", DeviceBackend()));
  EXPECT_THAT(Made("in_process", kProcesses),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the job has 8 processes")));
  EXPECT_THAT(
      Made("gloo", kGpus),
      StatusIs(absl::StatusCode::kUnimplemented,
               HasSubstr("serves host, pinned host memory, not device")));
  EXPECT_THAT(
      Made("nccl", kProcesses),
      StatusIs(absl::StatusCode::kUnimplemented,
               HasSubstr("serves device, pinned host memory, not host")));
}

TEST_F(CommunicatorRegistryTest, ADataChannelNeedsAControlChannel) {
  CommunicatorRegistry registry;
  EPLB_ASSERT_OK(registry.Register("nccl", DeviceBackend()));
  EXPECT_THAT(registry.Make("nccl", kGpus),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'gloo'")));
  EPLB_ASSERT_OK(registry.Register("gloo", DeviceBackend()));
  EXPECT_THAT(
      registry.Make("nccl", kGpus),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("cannot carry the control channel of 'nccl'")));
}

TEST_F(CommunicatorRegistryTest, ErrorsOfMakingAreThoseOfTheBackend) {
  EPLB_ASSERT_OK(registry_.Register(
      "broken", {.memory = {MemorySpace::kHost},
                 .make_factory = []()
                     -> absl::StatusOr<std::unique_ptr<CommunicatorFactory>> {
                   return absl::NotFoundError("no rendezvous folder");
                 }}));
  EXPECT_THAT(Made("broken", kThreads),
              StatusIs(absl::StatusCode::kNotFound, "no rendezvous folder"));
}

TEST_F(CommunicatorRegistryTest, RefusesNamesAndBackendsThatMakeNoSense) {
  EXPECT_THAT(registry_.Register("gloo", HostBackend(true)),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'gloo'")));
  EXPECT_THAT(
      registry_.RegisterUnavailable("gloo", absl::UnimplementedError("none")),
      StatusIs(absl::StatusCode::kAlreadyExists));
  for (const char* name : {"auto", "", "Gloo", "gloo-2"}) {
    EXPECT_THAT(registry_.Register(name, HostBackend(true)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(registry_.Register("none", {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("exactly one of")));
  CommunicatorBackend both = HostBackend(true);
  both.connect_data = DeviceBackend().connect_data;
  EXPECT_THAT(registry_.Register("both", both),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(registry_.RegisterUnavailable("fine", absl::OkStatus()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace eplb
