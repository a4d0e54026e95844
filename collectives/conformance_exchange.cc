// Conformance: what Exchange does when all goes well.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/conformance_memory.h"
#include "eplb/core/status_macros.h"
#include "gtest/gtest.h"
#include "testing/at_once.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

struct PlannedMessage {
  int source;
  int destination;
  size_t num_bytes;
};

constexpr size_t kGuardBytes = 16;
constexpr uint8_t kGuard = 0xa5;

// The byte at `i` of message `index` of the plan. No two pieces that a large
// message may be cut into are alike.
uint8_t ByteOf(size_t index, size_t i) {
  return static_cast<uint8_t>(index * 31 + i * 7 + (i >> 8) + (i >> 16) * 3 +
                              (i >> 24) * 11);
}

// Writes the first bytes of message `index` of the plan.
void WriteBytesOf(size_t index, size_t num_bytes, uint8_t* to) {
  // Within a block each byte is 7 more than the one before: every block is to
  // be found in these two, from where its first byte is.
  constexpr size_t kBlock = 256;
  constexpr uint8_t kInverseOf7 = 183;
  static_assert(static_cast<uint8_t>(7 * kInverseOf7) == 1);
  static const std::vector<uint8_t>& blocks = *new std::vector<uint8_t>([] {
    std::vector<uint8_t> blocks(2 * kBlock);
    for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = i * 7;
    return blocks;
  }());
  for (size_t i = 0; i < num_bytes; i += kBlock) {
    const uint8_t first = ByteOf(index, i) * kInverseOf7;
    std::memcpy(to + i, &blocks[first], std::min(kBlock, num_bytes - i));
  }
}

// Carries out this rank's part of `plan`, with buffers in `memory`, and checks
// every byte received, with guards around each buffer.
absl::Status ExchangePlan(const ConformanceMemory& memory,
                          Communicator& communicator,
                          const std::vector<PlannedMessage>& plan,
                          SteadyTime deadline) {
  std::vector<std::unique_ptr<ConformanceBytes>> sent;
  std::map<size_t, ConformanceBytes> received;  // By position in the plan.
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  for (size_t index = 0; index < plan.size(); ++index) {
    const PlannedMessage& message = plan[index];
    if (message.source == communicator.rank()) {
      std::vector<uint8_t> bytes(message.num_bytes);
      WriteBytesOf(index, bytes.size(), bytes.data());
      sent.push_back(std::make_unique<ConformanceBytes>(memory, bytes));
      sends.push_back({message.destination, sent.back()->source()});
    }
    if (message.destination == communicator.rank()) {
      const std::vector<uint8_t> guards(message.num_bytes + 2 * kGuardBytes,
                                        kGuard);
      const ConformanceBytes& bytes =
          received.try_emplace(index, memory, guards).first->second;
      receives.push_back(
          {message.source, bytes.buffer(kGuardBytes, message.num_bytes)});
    }
  }
  EPLB_RETURN_IF_ERROR(communicator.Exchange(sends, receives, deadline));
  for (const auto& [index, bytes] : received) {
    std::vector<uint8_t> expected(bytes.size(), kGuard);
    WriteBytesOf(index, plan[index].num_bytes, expected.data() + kGuardBytes);
    EXPECT_TRUE(bytes.contents() == expected)
        << "message " << index << " of " << plan[index].num_bytes
        << " bytes from rank " << plan[index].source << " to rank "
        << plan[index].destination;
  }
  return absl::OkStatus();
}

TEST_P(CommunicatorConformanceTest, ExchangesRandomBatches) {
  constexpr uint64_t kSeeds = 8;
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    std::vector<std::vector<PlannedMessage>> plan_of_seed(kSeeds + 1);
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      DeterministicRandom random(seed);
      plan_of_seed[seed].resize(random.NextBelow(12 * num_ranks));
      for (PlannedMessage& message : plan_of_seed[seed]) {
        message.source = random.NextBelow(num_ranks);
        message.destination = random.NextBelow(num_ranks);
        // Many empty and tiny ones, and a few of some hundred kilobytes.
        message.num_bytes = random.NextBelow(1 << random.NextBelow(19));
      }
    }
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SCOPED_TRACE(testing::Message()
                     << num_ranks << " ranks, seed " << seed);
        EPLB_RETURN_IF_ERROR(
            ExchangePlan(memory(), communicator, plan_of_seed[seed], Far()));
      }
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, ExchangesLargeMessages) {
  for (const int num_ranks : RankCounts()) {
    if (num_ranks > 4) break;
    std::vector<PlannedMessage> plan;
    for (int source = 0; source < num_ranks; ++source) {
      for (int destination = 0; destination < num_ranks; ++destination) {
        plan.push_back({source, destination, (3 << 20) + 1});
      }
    }
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      return ExchangePlan(memory(), communicator, plan, Far());
    });
  }
}

// More pieces than a backend has in flight, and the last one is small.
TEST_P(CommunicatorConformanceTest, ExchangesAMessageOfManyPieces) {
  for (const int num_ranks : RankCounts()) {
    if (num_ranks != 2) continue;
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      return ExchangePlan(memory(), communicator, {{0, 1, (40 << 20) + 3}},
                          Far());
    });
  }
}

TEST_P(CommunicatorConformanceTest, ExchangesThousandsOfMessagesInOneBatch) {
  constexpr int kMessages = 6000;
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    DeterministicRandom random(/*seed=*/num_ranks);
    std::vector<PlannedMessage> plan(kMessages);
    for (PlannedMessage& message : plan) {
      message.source = random.NextBelow(num_ranks);
      message.destination = random.NextBelow(num_ranks);
      message.num_bytes = random.NextBelow(40);
    }
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      return ExchangePlan(memory(), communicator, plan, Far());
    });
  });
}

TEST_P(CommunicatorConformanceTest, ExchangesInOneDirectionOnly) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      return ExchangePlan(memory(), communicator, {{0, num_ranks - 1, 1000}},
                          Far());
    });
  });
}

TEST_P(CommunicatorConformanceTest, ExchangesNothing) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      return communicator.Exchange({}, {}, Far());
    });
  });
}

TEST_P(CommunicatorConformanceTest, EmptyMessagesNeedNoAddress) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) {
      const int next = (communicator.rank() + 1) % num_ranks;
      const int previous = (communicator.rank() + num_ranks - 1) % num_ranks;
      return communicator.Exchange({{next, {}}}, {{previous, {}}}, Far());
    });
  });
}

}  // namespace
}  // namespace eplb
