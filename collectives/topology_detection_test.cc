#include "collectives/topology_detection.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(30);

// What every rank detects.
void ExpectNodes(const std::vector<std::string>& identity_of_rank,
                 const std::vector<int>& node_of_rank) {
  FakeClock clock;
  EPLB_ASSERT_OK_AND_ASSIGN(const Topology expected,
                            Topology::Create(node_of_rank));
  const auto results = RunInProcessRanks(
      static_cast<int>(identity_of_rank.size()), clock,
      [&](std::unique_ptr<Communicator> communicator) -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(
            const Topology topology,
            DetectTopology(*communicator,
                           identity_of_rank[communicator->rank()], kDeadline));
        EXPECT_EQ(topology, expected);
        return absl::OkStatus();
      });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(TopologyDetectionTest, RanksOfOneMachineShareANode) {
  ExpectNodes({"a", "a", "b", "b"}, {0, 0, 1, 1});
  ExpectNodes({"a", "a", "a"}, {0, 0, 0});
  ExpectNodes({"a"}, {0});
}

TEST(TopologyDetectionTest, NodesMayDifferInSizeAndInterleave) {
  ExpectNodes({"z", "a", "z", "m", "z", "a", "z"}, {0, 1, 0, 2, 0, 1, 0});
}

TEST(TopologyDetectionTest, IdentitiesThatShareAPrefixAreDifferent) {
  ExpectNodes({"node", "node1", "", std::string("node\0", 5)}, {0, 1, 2, 3});
}

TEST(TopologyDetectionTest, RefusesAnIdentityTooLongToCompareOnAllRanks) {
  FakeClock clock;
  const auto results = RunInProcessRanks(
      2, clock, [&](std::unique_ptr<Communicator> communicator) {
        const std::string identity(communicator->rank() == 1 ? 249 : 248, 'x');
        return DetectTopology(*communicator, identity, kDeadline).status();
      });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("249 bytes"))));
}

TEST(TopologyDetectionTest, ThisMachineHasOneIdentity) {
  EXPECT_EQ(MachineIdentity(), MachineIdentity());
  EXPECT_GT(MachineIdentity().size(), 1);
  EXPECT_LE(MachineIdentity().size(), kMaxMachineIdentityBytes);
}

}  // namespace
}  // namespace eplb
