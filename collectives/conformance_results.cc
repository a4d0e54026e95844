// Conformance: what the operations do when all goes well.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/conformance_memory.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/at_once.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

// Sizes around what backends treat specially, and odd ones.
constexpr size_t kSizes[] = {0,   1,    3,    192,  511,    512,
                             513, 4095, 4096, 4097, 100'001};

// Bytes that differ by rank and purpose.
std::vector<uint8_t> Pattern(size_t num_bytes, int rank, int salt) {
  std::vector<uint8_t> bytes(num_bytes);
  DeterministicRandom random(rank, salt);
  size_t i = 0;
  while (i < num_bytes) {
    const uint64_t word = random.NextWord();
    const size_t count = std::min(num_bytes - i, sizeof(word));
    std::memcpy(bytes.data() + i, &word, count);
    i += count;
  }
  return bytes;
}

// By size and rank, for ranks to share.
std::map<size_t, std::vector<std::vector<uint8_t>>> PatternsOf(int num_ranks) {
  std::map<size_t, std::vector<std::vector<uint8_t>>> patterns;
  for (const size_t num_bytes : kSizes) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      patterns[num_bytes].push_back(Pattern(num_bytes, rank, num_bytes));
    }
  }
  return patterns;
}

TEST_P(CommunicatorConformanceTest, KnowsItsRankAndSize) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    auto communicators = ConnectAll(num_ranks);
    for (int rank = 0; rank < num_ranks; ++rank) {
      EPLB_ASSERT_OK(communicators[rank]);
      EXPECT_EQ((*communicators[rank])->rank(), rank);
      EXPECT_EQ((*communicators[rank])->size(), num_ranks);
      EXPECT_THAT(
          (*communicators[rank])->ToString(),
          testing::HasSubstr(absl::StrCat("rank ", rank, " of ", num_ranks)));
    }
    ForEachAtOnce(communicators,
                  [](auto& communicator) { communicator->reset(); });
  });
}

TEST_P(CommunicatorConformanceTest, SumsOverAllRanks) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      for (const int64_t count : {0, 1, 3, 64, 65, 1000, 20'001}) {
        std::vector<int64_t> values(count);
        std::vector<int64_t> sums(count);
        for (int64_t i = 0; i < count; ++i) {
          values[i] = (i - 3) * (communicator.rank() + 1);
          sums[i] = (i - 3) * num_ranks * (num_ranks + 1) / 2;
        }
        EPLB_RETURN_IF_ERROR(
            communicator.AllReduceSum(absl::MakeSpan(values), Far()));
        EXPECT_EQ(values, sums) << count << " values, " << num_ranks;
      }
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, SumsWrapAround) {
  RunRanksOk(1, [&](Communicator& communicator) -> absl::Status {
    std::vector<int64_t> values = {INT64_MAX, INT64_MIN, -1};
    EPLB_RETURN_IF_ERROR(
        communicator.AllReduceSum(absl::MakeSpan(values), Far()));
    EXPECT_EQ(values, (std::vector<int64_t>{INT64_MAX, INT64_MIN, -1}));
    return absl::OkStatus();
  });
  if (RankCounts(2).empty()) return;
  RunRanksOk(2, [&](Communicator& communicator) -> absl::Status {
    std::vector<int64_t> values = {INT64_MAX, INT64_MIN};
    EPLB_RETURN_IF_ERROR(
        communicator.AllReduceSum(absl::MakeSpan(values), Far()));
    EXPECT_EQ(values, (std::vector<int64_t>{-2, 0}));
    return absl::OkStatus();
  });
}

TEST_P(CommunicatorConformanceTest, GathersInRankOrder) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    const auto patterns = PatternsOf(num_ranks);
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      for (const auto& [num_bytes, pattern_of_rank] : patterns) {
        for (const bool in_place : {false, true}) {
          const std::vector<uint8_t>& pattern =
              pattern_of_rank[communicator.rank()];
          const ConformanceBytes mine(memory(), pattern);
          std::vector<uint8_t> before(num_bytes * num_ranks);
          const size_t place = communicator.rank() * num_bytes;
          std::copy(pattern.begin(), pattern.end(), before.begin() + place);
          const ConformanceBytes all(memory(), before);
          EPLB_RETURN_IF_ERROR(communicator.AllGather(
              in_place ? all.source(place, num_bytes) : mine.source(),
              all.buffer(), Far()));
          const std::vector<uint8_t> gathered = all.contents();
          for (int rank = 0; rank < num_ranks; ++rank) {
            EXPECT_TRUE(absl::MakeConstSpan(gathered).subspan(rank * num_bytes,
                                                              num_bytes) ==
                        absl::MakeConstSpan(pattern_of_rank[rank]))
                << num_bytes << " bytes of rank " << rank << " of "
                << num_ranks;
          }
        }
      }
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, BroadcastsFromEveryRoot) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    const auto patterns = PatternsOf(num_ranks);
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      for (const auto& [num_bytes, pattern_of_rank] : patterns) {
        for (int root = 0; root < num_ranks; ++root) {
          const ConformanceBytes data(memory(),
                                      pattern_of_rank[communicator.rank()]);
          EPLB_RETURN_IF_ERROR(
              communicator.Broadcast(data.buffer(), root, Far()));
          EXPECT_TRUE(data.contents() == pattern_of_rank[root])
              << num_bytes << " bytes from rank " << root;
        }
      }
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, BarrierWaitsForAllRanks) {
  constexpr int kRounds = 50;
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    std::vector<std::atomic<int>> arrived(kRounds);
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      for (int round = 0; round < kRounds; ++round) {
        ++arrived[round];
        EPLB_RETURN_IF_ERROR(communicator.Barrier(Far()));
        EXPECT_EQ(arrived[round], num_ranks);
      }
      return absl::OkStatus();
    });
  });
}

TEST_P(CommunicatorConformanceTest, ClonesAreIndependentChannels) {
  constexpr int kRounds = 20;
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    RunRanksOk(num_ranks, [&](Communicator& communicator) -> absl::Status {
      EPLB_ASSIGN_OR_RETURN(const auto worker,
                            communicator.Clone("worker", Far()));
      EPLB_ASSIGN_OR_RETURN(const auto logger,
                            communicator.Clone("logger", Far()));
      EXPECT_EQ(worker->rank(), communicator.rank());
      EXPECT_EQ(worker->size(), num_ranks);
      const auto sum_rounds = [&](Communicator& channel, int64_t value) {
        for (int64_t round = 0; round < kRounds; ++round) {
          int64_t sum = value + round;
          EPLB_RETURN_IF_ERROR(
              channel.AllReduceSum(absl::MakeSpan(&sum, 1), Far()));
          EXPECT_EQ(sum, (value + round) * num_ranks);
        }
        return absl::OkStatus();
      };
      absl::Status worker_status;
      std::thread thread([&] { worker_status = sum_rounds(*worker, 1000); });
      const absl::Status status = sum_rounds(communicator, 1);
      thread.join();
      EPLB_RETURN_IF_ERROR(status);
      EPLB_RETURN_IF_ERROR(worker_status);
      // The end of one is nothing to the others.
      worker->Abort(absl::AbortedError("no longer needed"));
      EPLB_RETURN_IF_ERROR(sum_rounds(*logger, 7));
      return sum_rounds(communicator, 9);
    });
  });
}

TEST_P(CommunicatorConformanceTest, ACloneOutlivesItsOrigin) {
  ForEachAtOnce(RankCounts(), [&](int num_ranks) {
    auto communicators = ConnectAll(num_ranks);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < num_ranks; ++rank) {
      EPLB_ASSERT_OK(communicators[rank]);
      threads.emplace_back(
          [this, origin = *std::move(communicators[rank])]() mutable {
            auto clone = origin->Clone("heir", Far());
            origin = nullptr;
            EPLB_ASSERT_OK(clone);
            EPLB_EXPECT_OK((*clone)->Barrier(Far()));
          });
    }
    for (std::thread& thread : threads) thread.join();
  });
}

}  // namespace
}  // namespace eplb
