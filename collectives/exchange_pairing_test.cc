#include "collectives/exchange_pairing.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Batch {
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
};

uint64_t PairingSum(const std::vector<Batch>& batch_of_rank) {
  const int num_ranks = static_cast<int>(batch_of_rank.size());
  uint64_t sum = 0;
  for (int rank = 0; rank < num_ranks; ++rank) {
    const auto& [sends, receives] = batch_of_rank[rank];
    MessagesByPeer by_destination;
    EPLB_EXPECT_OK(by_destination.BuildFromSends(sends, num_ranks));
    sum += SendPairingSum(rank, num_ranks, sends, by_destination);
    MessagesByPeer by_source;
    EPLB_EXPECT_OK(by_source.BuildFromReceives(receives, num_ranks));
    sum -= ReceivePairingSum(rank, num_ranks, receives, by_source);
  }
  return sum;
}

std::vector<Batch> RandomBatches(DeterministicRandom& random) {
  const int num_ranks = 1 + random.NextBelow(6);
  std::vector<Batch> batch_of_rank(num_ranks);
  const int num_messages = 2 + random.NextBelow(40);
  for (int i = 0; i < num_messages; ++i) {
    const int source = random.NextBelow(num_ranks);
    const int destination = random.NextBelow(num_ranks);
    const size_t num_bytes = random.NextBelow(5);
    batch_of_rank[source].sends.push_back({destination, {nullptr, num_bytes}});
    batch_of_rank[destination].receives.push_back(
        {source, {nullptr, num_bytes}});
  }
  return batch_of_rank;
}

TEST(ExchangePairingTest, KeepsTheOrderOfEachPair) {
  MessagesByPeer by_destination;
  EPLB_ASSERT_OK(by_destination.BuildFromSends(
      {{2, {}}, {0, {}}, {2, {}}, {0, {}}, {2, {}}}, /*num_ranks=*/4));
  EXPECT_THAT(by_destination.WithPeer(0), ElementsAre(1, 3));
  EXPECT_THAT(by_destination.WithPeer(1), ElementsAre());
  EXPECT_THAT(by_destination.WithPeer(2), ElementsAre(0, 2, 4));
  EXPECT_THAT(by_destination.WithPeer(3), ElementsAre());
}

TEST(ExchangePairingTest, RefusesPeersOutsideTheGroup) {
  MessagesByPeer messages;
  EXPECT_THAT(messages.BuildFromSends({{0, {}}, {4, {}}}, 4),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("message 1: send to rank 4")));
  EXPECT_THAT(messages.BuildFromReceives({{-1, {}}}, 4),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("message 0: receive from rank -1")));
}

TEST(ExchangePairingTest, SumIsZeroWhenEveryMessagePairs) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    DeterministicRandom random(seed);
    EXPECT_EQ(PairingSum(RandomBatches(random)), 0) << "seed " << seed;
  }
}

TEST(ExchangePairingTest, SumShowsAnySingleMistake) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    DeterministicRandom random(seed);
    const std::vector<Batch> batches = RandomBatches(random);
    for (size_t rank = 0; rank < batches.size(); ++rank) {
      for (size_t i = 0; i < batches[rank].sends.size(); ++i) {
        std::vector<Batch> missing = batches;
        missing[rank].sends.erase(missing[rank].sends.begin() + i);
        EXPECT_NE(PairingSum(missing), 0);
        std::vector<Batch> resized = batches;
        ++resized[rank].sends[i].buffer.num_bytes;
        EXPECT_NE(PairingSum(resized), 0);
      }
    }
  }
}

}  // namespace
}  // namespace eplb
