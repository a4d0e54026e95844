#include "kernels/cpu/work_threads.h"

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::Each;

// How often each piece was worked on.
std::vector<int> CountsOf(WorkThreads& threads, size_t num_pieces) {
  std::vector<std::atomic<int>> counts(num_pieces);
  threads.Run(num_pieces, [&](size_t piece) { ++counts[piece]; });
  return {counts.begin(), counts.end()};
}

TEST(WorkThreadsTest, WorksOnEveryPieceOnce) {
  for (const int num_threads : {1, 2, 5}) {
    WorkThreads threads(num_threads);
    for (const size_t num_pieces : {0, 1, 2, 7, 1000}) {
      EXPECT_THAT(CountsOf(threads, num_pieces), Each(1))
          << num_pieces << " pieces on " << num_threads << " threads";
    }
  }
}

TEST(WorkThreadsTest, AnotherThreadHelpsAndTheCallerWaitsForIt) {
  WorkThreads threads(2);
  std::atomic<int> begun = 0;
  std::atomic<int> ended = 0;
  // Each piece waits until the other has begun: one thread would wait for ever.
  threads.Run(2, [&](size_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
    ++ended;
  });
  EXPECT_EQ(ended, 2);
}

TEST(WorkThreadsTest, ACallNeedsNoThreadThatIsBusyElsewhere) {
  WorkThreads threads(2);
  std::atomic<int> held = 0;
  std::atomic<bool> release = false;
  std::thread other([&] {
    threads.Run(2, [&](size_t) {
      ++held;
      while (!release) std::this_thread::yield();
    });
  });
  // The other caller and the only helper are both at work.
  while (held < 2) std::this_thread::yield();
  EXPECT_THAT(CountsOf(threads, 100), Each(1));
  release = true;
  other.join();
}

TEST(WorkThreadsTest, ServesSeveralCallersAtOnce) {
  WorkThreads threads(3);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        EXPECT_THAT(CountsOf(threads, 20), Each(1));
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace eplb
