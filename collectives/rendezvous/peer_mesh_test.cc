#include "collectives/rendezvous/peer_mesh.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/rendezvous/peer_greeting.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "eplb/core/stable_hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/scoped_no_more_files.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PeerMeshTest : public testing::Test {
 protected:
  using Mesh = absl::StatusOr<std::vector<Socket>>;

  explicit PeerMeshTest(int num_ranks = 3) : num_ranks_(num_ranks) {
    for (int rank = 0; rank < num_ranks_; ++rank) {
      listeners_.push_back(*ListenOn("127.0.0.1"));
      addresses_.push_back(
          JoinHostPort("127.0.0.1", *LocalPort(listeners_[rank])));
    }
  }

  PeerGroup GroupOf(int rank) const {
    return {.name = "job",
            .epoch = 7,
            .rank = rank,
            .num_ranks = num_ranks_,
            .secret = "only ranks know"};
  }

  Mesh Connect(const PeerGroup& group,
               std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    return ConnectPeerMesh(group, listeners_[group.rank], addresses_, clock_,
                           clock_.Now() + timeout, strangers_);
  }

  // What rank 0 of two answers to a greeting, and its connection.
  std::pair<Socket, std::string> Greet(const std::string& greeting) {
    absl::StatusOr<Socket> socket = ConnectTo(addresses_[0], clock_, Far());
    EPLB_EXPECT_OK(WriteAll(*socket, greeting, clock_, Far()));
    std::string reply(PeerReply::kBytes, '\0');
    EPLB_EXPECT_OK(ReadAll(*socket, absl::MakeSpan(&reply[0], reply.size()),
                           clock_, Far()));
    return {*std::move(socket), reply};
  }

  SteadyTime Far() { return clock_.Now() + std::chrono::seconds(20); }

  const int num_ranks_;
  SystemClock clock_;
  std::vector<Socket> listeners_;
  std::vector<std::string> addresses_;
  std::atomic<int64_t> strangers_ = 0;
};

class PeerMeshOfTwoTest : public PeerMeshTest {
 protected:
  PeerMeshOfTwoTest() : PeerMeshTest(2) {}

  std::string GreetingOfRank1() const {
    return PeerGreeting{.rank = 1,
                        .num_ranks = 2,
                        .epoch = 7,
                        .group_hash = StableHash().Add("job").value(),
                        .nonce = RandomNonce()}
        .Encode();
  }
};

TEST_F(PeerMeshTest, ConnectsEveryTwoRanks) {
  std::vector<Mesh> meshes(num_ranks_);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < num_ranks_; ++rank) {
    ranks.emplace_back([&, rank] { meshes[rank] = Connect(GroupOf(rank)); });
  }
  for (std::thread& rank : ranks) rank.join();
  for (int rank = 0; rank < num_ranks_; ++rank) {
    EPLB_ASSERT_OK(meshes[rank]);
    EXPECT_FALSE((*meshes[rank])[rank].is_open());
  }
  for (int from = 0; from < num_ranks_; ++from) {
    for (int to = 0; to < num_ranks_; ++to) {
      if (from == to) continue;
      const std::string word = absl::StrCat(from, " to ", to);
      EPLB_ASSERT_OK(WriteAll((*meshes[from])[to], word, clock_, Far()));
      std::string heard(word.size(), '\0');
      EPLB_ASSERT_OK(ReadAll((*meshes[to])[from],
                             absl::MakeSpan(&heard[0], heard.size()), clock_,
                             Far()));
      EXPECT_EQ(heard, word);
    }
  }
  EXPECT_EQ(strangers_, 0);
}

TEST_F(PeerMeshTest, NamesTheRanksThatDoNotConnectByTheDeadline) {
  EXPECT_THAT(Connect(GroupOf(0), std::chrono::milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("1"), HasSubstr("2"))));
}

TEST_F(PeerMeshTest, ARankThatDoesNotListenIsNamed) {
  listeners_[0] = Socket();
  EXPECT_THAT(Connect(GroupOf(1)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("rank 0")));
}

TEST_F(PeerMeshOfTwoTest, TurnsAwayRanksOfOtherGroupsAndWaitsOn) {
  Mesh mesh;
  std::thread rank_0([&] { mesh = Connect(GroupOf(0)); });
  PeerGroup other = GroupOf(1);
  other.name = "another job";
  EXPECT_THAT(Connect(other),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("rank 0"), HasSubstr("another job"))));
  other = GroupOf(1);
  other.epoch = 6;
  EXPECT_THAT(Connect(other),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("rank 0"), HasSubstr("epoch 6"))));
  other = GroupOf(1);
  other.secret = "guessed";
  EXPECT_THAT(Connect(other),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("rank 0"), HasSubstr("secret"))));
  EPLB_EXPECT_OK(Connect(GroupOf(1)));
  rank_0.join();
  EPLB_EXPECT_OK(mesh);
  EXPECT_EQ(strangers_, 3);
}

// Time of rank 0 that goes on when the test says so.
class PeerMeshVisitorsTest : public PeerMeshOfTwoTest {
 protected:
  ~PeerMeshVisitorsTest() override {
    // Of a rank 0 that still waits.
    time_.AdvanceClock(std::chrono::hours(2));
    if (rank_0_.joinable()) rank_0_.join();
  }

  // Rank 0 begins with those that have connected so far, and has turned one
  // away.
  void StartRank0() {
    rank_0_ = std::thread([this] {
      mesh_ = ConnectPeerMesh(GroupOf(0), listeners_[0], addresses_, time_,
                              time_.Now() + std::chrono::hours(1), strangers_);
    });
    const SteadyTime limit = Far();
    while (strangers_ == 0 && clock_.Now() < limit) std::this_thread::yield();
    ASSERT_EQ(strangers_, 1);
  }

  Socket Visit(const std::string& words) {
    absl::StatusOr<Socket> socket = ConnectTo(addresses_[0], clock_, Far());
    EPLB_EXPECT_OK(WriteAll(*socket, words, clock_, Far()));
    return *std::move(socket);
  }
  Socket VisitOfAStranger() {
    return Visit(std::string(PeerGreeting::kBytes, 'x'));
  }

  void ExpectDropped(const Socket& visitor) {
    char byte;
    EXPECT_THAT(ReadAll(visitor, absl::MakeSpan(&byte, 1), clock_, Far()),
                StatusIs(absl::StatusCode::kUnavailable));
  }

  FakeClock time_;
  Mesh mesh_;
  std::thread rank_0_;
};

TEST_F(PeerMeshVisitorsTest, ASilentOneIsDroppedAfterFiveSeconds) {
  const Socket silent = Visit("");
  const Socket stranger = VisitOfAStranger();
  ASSERT_NO_FATAL_FAILURE(StartRank0());
  time_.AdvanceClock(std::chrono::seconds(5));
  ExpectDropped(silent);
  EXPECT_EQ(strangers_, 2);
  EPLB_EXPECT_OK(Connect(GroupOf(1)));
  rank_0_.join();
  EPLB_EXPECT_OK(mesh_);
  EXPECT_EQ(strangers_, 2);
}

TEST_F(PeerMeshVisitorsTest, ARankBehindManySilentOnesGetsItsTurn) {
  std::vector<Socket> visitors;
  visitors.push_back(VisitOfAStranger());
  for (int i = 0; i < kMaxUngreetedConnections + 6; ++i) {
    visitors.push_back(Visit(""));
  }
  ASSERT_NO_FATAL_FAILURE(StartRank0());
  Mesh mesh_of_1;
  std::thread rank_1([&] { mesh_of_1 = Connect(GroupOf(1)); });
  time_.AdvanceClock(std::chrono::seconds(5));
  rank_1.join();
  EPLB_EXPECT_OK(mesh_of_1);
  rank_0_.join();
  EPLB_EXPECT_OK(mesh_);
  // The first ones, whose place the rank took, and perhaps one that came in
  // when the stranger had gone.
  EXPECT_GE(strangers_, kMaxUngreetedConnections);
  EXPECT_LE(strangers_, kMaxUngreetedConnections + 1);
}

TEST_F(PeerMeshOfTwoTest, SaysWhenFileDescriptorsHaveRunOut) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Socket visitor,
                            ConnectTo(addresses_[0], clock_, Far()));
  absl::Status refused;
  {
    const ScopedNoMoreFiles no_more_files;
    refused = Connect(GroupOf(0)).status();
  }
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("ulimit -n")));
}

TEST_F(PeerMeshOfTwoTest, ProvesThatItKnowsTheSecret) {
  Mesh mesh;
  std::thread rank_0([&] { mesh = Connect(GroupOf(0)); });
  const std::string greeting = GreetingOfRank1();
  auto [socket, bytes] = Greet(greeting);
  const auto reply = PeerReply::Decode(bytes);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->refusal, PeerRefusal::kNone);
  EXPECT_EQ(reply->proof,
            PeerProof("only ranks know", "listens", greeting, reply->nonce));
  EPLB_EXPECT_OK(WriteAll(
      socket, PeerProof("only ranks know", "connects", greeting, reply->nonce),
      clock_, Far()));
  rank_0.join();
  EPLB_EXPECT_OK(mesh);
  EXPECT_EQ(strangers_, 0);
}

TEST_F(PeerMeshOfTwoTest, AProofOfAnotherConnectionIsWorthNothing) {
  Mesh mesh;
  std::thread rank_0([&] { mesh = Connect(GroupOf(0)); });
  const std::string greeting = GreetingOfRank1();
  // Somebody who has listened in, and sends again what was right once.
  auto [first, first_bytes] = Greet(greeting);
  const auto first_reply = PeerReply::Decode(first_bytes);
  ASSERT_TRUE(first_reply.has_value());
  auto [second, second_bytes] = Greet(greeting);
  EPLB_EXPECT_OK(WriteAll(
      second,
      PeerProof("only ranks know", "connects", greeting, first_reply->nonce),
      clock_, Far()));
  // The answer of the one who listens is no proof either.
  EPLB_EXPECT_OK(WriteAll(first, first_reply->proof, clock_, Far()));
  EPLB_EXPECT_OK(Connect(GroupOf(1)));
  rank_0.join();
  EPLB_EXPECT_OK(mesh);
  EXPECT_EQ(strangers_, 2);
}

}  // namespace
}  // namespace eplb
