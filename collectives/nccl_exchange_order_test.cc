#include "collectives/nccl_exchange_order.h"

#include <cstddef>
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

using testing::HasSubstr;

// No message is touched: its size tells which it is.
char memory[1];

SendMessage Send(int destination, size_t num_bytes) {
  return {destination, {memory, num_bytes}};
}
ReceiveMessage Receive(int source, size_t num_bytes) {
  return {source, {memory, num_bytes}};
}

// Runs all ranks' groups as NCCL would: a rank is at one group, which ends when
// both ends of each of its messages have been posted. Returns whether all came
// to the end, with the messages of each pair in the order they were listed.
bool CanRun(const std::vector<NcclExchangeOrder>& orders) {
  const int num_ranks = orders.size();
  std::vector<size_t> at(num_ranks);
  // What each rank has posted to or from another, over all its groups.
  using PerPair = std::vector<std::vector<std::vector<size_t>>>;
  PerPair sent(num_ranks, std::vector<std::vector<size_t>>(num_ranks));
  PerPair received = sent;
  const auto post = [&](int rank) {
    if (at[rank] >= orders[rank].groups.size()) return;
    const NcclMessageGroup& group = orders[rank].groups[at[rank]];
    for (const SendMessage& message : group.sends) {
      sent[rank][message.destination].push_back(message.buffer.num_bytes);
    }
    for (const ReceiveMessage& message : group.receives) {
      received[message.source][rank].push_back(message.buffer.num_bytes);
    }
  };
  const auto is_done = [&](int rank) {
    for (int peer = 0; peer < num_ranks; ++peer) {
      if (sent[rank][peer].size() > received[rank][peer].size()) return false;
      if (received[peer][rank].size() > sent[peer][rank].size()) return false;
    }
    return true;
  };
  for (int rank = 0; rank < num_ranks; ++rank) post(rank);
  for (bool moved = true; moved;) {
    moved = false;
    for (int rank = 0; rank < num_ranks; ++rank) {
      if (at[rank] == orders[rank].groups.size() || !is_done(rank)) continue;
      ++at[rank];
      post(rank);
      moved = true;
    }
  }
  for (int rank = 0; rank < num_ranks; ++rank) {
    if (at[rank] != orders[rank].groups.size()) return false;
  }
  return sent == received;
}

TEST(NcclExchangeOrderTest, NoBatchOfAnyRanksWaitsForItself) {
  for (const int num_ranks : {1, 2, 3, 4, 7, 8, 16, 17, 18, 40}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE(testing::Message() << num_ranks << " ranks, seed " << seed);
      DeterministicRandom random(seed);
      std::vector<std::vector<SendMessage>> sends(num_ranks);
      std::vector<std::vector<ReceiveMessage>> receives(num_ranks);
      size_t num_real = 0;
      const int num_messages = random.NextBelow(100 * num_ranks);
      for (int i = 0; i < num_messages; ++i) {
        const int source = random.NextBelow(num_ranks);
        const int destination = random.NextBelow(num_ranks);
        const size_t num_bytes = random.NextBelow(4) == 0 ? 0 : i + 1;
        sends[source].push_back(Send(destination, num_bytes));
        receives[destination].push_back(Receive(source, num_bytes));
        num_real += num_bytes > 0;
      }
      std::vector<NcclExchangeOrder> orders;
      size_t num_ordered = 0;
      for (int rank = 0; rank < num_ranks; ++rank) {
        EPLB_ASSERT_OK_AND_ASSIGN(
            NcclExchangeOrder order,
            OrderForNccl(rank, num_ranks, sends[rank], receives[rank]));
        num_ordered += order.local_copies.size();
        for (const NcclMessageGroup& group : order.groups) {
          EXPECT_LE(group.sends.size() + group.receives.size(), 32u);
          num_ordered += group.sends.size();
        }
        orders.push_back(order);
      }
      EXPECT_EQ(num_ordered, num_real);
      EXPECT_TRUE(CanRun(orders));
    }
  }
}

TEST(NcclExchangeOrderTest, FillsGroupsBetweenTwoRanks) {
  const std::vector<SendMessage> sends(40, Send(1, 8));
  EPLB_ASSERT_OK_AND_ASSIGN(const NcclExchangeOrder order,
                            OrderForNccl(0, 2, sends, {}));
  ASSERT_EQ(order.groups.size(), 3u);
  EXPECT_EQ(order.groups[0].sends.size(), 16u);
  EXPECT_EQ(order.groups[2].sends.size(), 8u);
}

TEST(NcclExchangeOrderTest, RefusesMessagesToItselfThatDoNotPair) {
  EXPECT_THAT(OrderForNccl(1, 2, {Send(1, 8)}, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("1 messages to itself and receives 0")));
  EXPECT_THAT(OrderForNccl(1, 2, {Send(1, 8)}, {Receive(1, 9)}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("with 8 bytes and received with 9")));
}

TEST(NcclExchangeOrderTest, RefusesAPeerOutsideTheGroup) {
  EXPECT_THAT(
      OrderForNccl(0, 2, {}, {Receive(2, 1)}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[0, 2)")));
}

}  // namespace
}  // namespace eplb
