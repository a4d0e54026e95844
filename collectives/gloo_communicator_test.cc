// Clones that another rank does not join, although it has called Clone. The
// other rank is played by the test; collectives/gloo_test.cc and the fault
// tests have the rest.

#include "collectives/gloo_communicator.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/control_channel.h"
#include "collectives/gloo_opening.h"
#include "collectives/gloo_transport.h"
#include "collectives/operation.h"
#include "collectives/rendezvous/peer_mesh.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What rank 1 does not do any more.
enum class Missing { kToMeet, kToOpen };

class GlooCloneTest : public testing::TestWithParam<Missing> {
 protected:
  // Rank 0 is in Clone and waits for rank 1.
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ConnectRanks());
    clone_ = std::thread([this] {
      clone_status_ = communicator_->Clone("clone", Far()).status();
    });
    ASSERT_NO_FATAL_FAILURE(LetRank0Wait());
  }

  void TearDown() override {
    if (clone_.joinable()) clone_.join();
  }

  SteadyTime Far() const { return clock_.Now() + std::chrono::seconds(20); }

  PeerGroup GroupOf(int rank, const std::string& name) const {
    return {.name = name,
            .epoch = 1,
            .rank = rank,
            .num_ranks = 2,
            .secret = "only ranks know"};
  }

  void ConnectRanks() {
    std::vector<Socket> listeners;
    std::vector<std::string> addresses;
    for (int rank = 0; rank < 2; ++rank) {
      listeners.push_back(*ListenOn("127.0.0.1"));
      addresses.push_back(
          JoinHostPort("127.0.0.1", *LocalPort(listeners[rank])));
    }
    std::thread rank_0([&] {
      EPLB_ASSERT_OK_AND_ASSIGN(
          communicator_,
          GlooCommunicator::Connect("rank 0's", GroupOf(0, "job"), endpoint_,
                                    listeners[0], addresses, clock_, Far()));
    });
    ConnectRank1(listeners[1], addresses);
    rank_0.join();
    ASSERT_NE(communicator_, nullptr);
  }

  void ConnectRank1(const Socket& listener,
                    const std::vector<std::string>& addresses) {
    EPLB_ASSERT_OK_AND_ASSIGN(
        std::vector<Socket> peers,
        ConnectPeerMesh(GroupOf(1, "job"), listener, addresses, clock_, Far(),
                        *endpoint_.strangers));
    EPLB_ASSERT_OK_AND_ASSIGN(
        rank_1_,
        ControlChannel::Create("rank 1's", 1, std::move(peers), clock_));
    EPLB_ASSERT_OK_AND_ASSIGN(
        transport_,
        GlooTransport::Create(endpoint_.device, 1, 2, clock_, Far()));
    // Each rank has an address for the other one, and nothing for itself.
    const std::string mine = transport_->AddressFor(0);
    EPLB_ASSERT_OK_AND_ASSIGN(
        const auto all,
        rank_1_->Gather(mine + std::string(mine.size(), '\0'), Far()));
    EPLB_ASSERT_OK(
        transport_->Connect({all[0].substr(mine.size()), ""}, Far()));
    EPLB_ASSERT_OK(rank_1_->Gather("", Far()));
  }

  void LetRank0Wait() {
    EPLB_ASSERT_OK_AND_ASSIGN(listener_, ListenOn("127.0.0.1"));
    const GlooOpening opening = {
        .call = {.operation = Operation::kClone, .clone_name = "clone"},
        .payload = JoinHostPort("127.0.0.1", *LocalPort(listener_))};
    EPLB_ASSERT_OK_AND_ASSIGN(const auto all,
                              rank_1_->Gather(opening.Encode(), Far()));
    const std::vector<std::string> addresses = {
        GlooOpening::Decode(all[0])->payload, opening.payload};
    char byte;
    if (GetParam() == Missing::kToOpen) {
      EPLB_ASSERT_OK_AND_ASSIGN(
          clone_peers_,
          ConnectPeerMesh(GroupOf(1, "job/clone"), listener_, addresses, clock_,
                          Far(), *endpoint_.strangers));
      // Its first word in the clone.
      EPLB_ASSERT_OK(
          ReadAll(clone_peers_[0], absl::MakeSpan(&byte, 1), clock_, Far()));
      return;
    }
    // It waits for rank 1 when it turns away somebody else.
    EPLB_ASSERT_OK_AND_ASSIGN(const Socket stranger,
                              ConnectTo(addresses[0], clock_, Far()));
    EPLB_ASSERT_OK(WriteAll(stranger, std::string(1000, 'x'), clock_, Far()));
    EXPECT_THAT(ReadAll(stranger, absl::MakeSpan(&byte, 1), clock_, Far()),
                StatusIs(absl::StatusCode::kUnavailable));
  }

  SystemClock clock_;
  const GlooEndpoint endpoint_ = {
      .bind_address = "127.0.0.1",
      .device = {},
      .strangers = std::make_shared<std::atomic<int64_t>>(0)};
  std::unique_ptr<GlooTransport> transport_;  // Rank 1's.
  std::unique_ptr<ControlChannel> rank_1_;
  Socket listener_;  // For the clone.
  std::vector<Socket> clone_peers_;
  std::unique_ptr<GlooCommunicator> communicator_;
  std::thread clone_;
  absl::Status clone_status_;
};

INSTANTIATE_TEST_SUITE_P(Missing, GlooCloneTest,
                         testing::Values(Missing::kToMeet, Missing::kToOpen),
                         [](const auto& info) {
                           return info.param == Missing::kToMeet ? "ToMeet"
                                                                 : "ToOpen";
                         });

TEST_P(GlooCloneTest, AnAbortEndsIt) {
  communicator_->Abort(absl::DataLossError("enough"));
  clone_.join();
  EXPECT_THAT(clone_status_,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("enough")));
}

TEST_P(GlooCloneTest, TheDestructorEndsIt) {
  communicator_ = nullptr;
  clone_.join();
  EXPECT_THAT(clone_status_, StatusIs(absl::StatusCode::kCancelled,
                                      HasSubstr("destroyed during the call")));
}

TEST_P(GlooCloneTest, AFailureOfTheOtherRankEndsIt) {
  rank_1_->Fail(absl::DataLossError("its disk"),
                absl::DataLossError("its disk"));
  clone_.join();
  EXPECT_THAT(clone_status_,
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("rank 1"), HasSubstr("its disk"))));
}

TEST_P(GlooCloneTest, TheEndOfTheOtherProcessEndsIt) {
  rank_1_ = nullptr;
  clone_.join();
  EXPECT_THAT(clone_status_,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 1")));
}

}  // namespace
}  // namespace eplb
