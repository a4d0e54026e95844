// A step that neither reports nor rearranges takes no memory.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace {

std::atomic<int64_t> num_allocations = 0;

}  // namespace

// All other forms come to these.
void* operator new(size_t num_bytes) {
  ++num_allocations;
  void* const memory = std::malloc(num_bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace eplb {
namespace {

using ::testing::Each;

TEST(EplbStateAllocationTest, TakesNoMemoryInAnOrdinaryStep) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(1, clock,
                  [&](int, CommunicatorFactory& factory) -> absl::Status {
                    EplbConfig config;
                    config.window_size = 8;
                    config.step_interval = 1000;
                    config.num_redundant_experts = 8;
                    TestRank rank(factory, clock, {0});
                    EPLB_RETURN_IF_ERROR(rank.Create(config));
                    EPLB_RETURN_IF_ERROR(
                        rank.AddModel("main", ModelShape{6, 24, 8, 1}));
                    const int64_t before = num_allocations;
                    for (int step = 0; step < 200; ++step) {
                      rank.state->layer_view(0, step % 6).pass_counts[3] = 5;
                      EPLB_RETURN_IF_ERROR(
                          rank.state->Step({.is_dummy = step % 7 == 0}));
                    }
                    EXPECT_EQ(num_allocations - before, 0);
                    return absl::OkStatus();
                  }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
