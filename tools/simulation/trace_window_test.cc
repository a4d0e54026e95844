#include "tools/simulation/trace_window.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/expert_loads.h"
#include "eplb/load/recorded_loads.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

RecordedLoads RandomTrace(const RecordedShape& shape,
                          DeterministicRandom& random) {
  std::vector<int64_t> loads(shape.num_entries());
  for (int64_t& load : loads) load = random.NextBelow(100);
  return *RecordedLoads::Create(shape, std::move(loads));
}

std::vector<int64_t> SlowSum(const RecordedLoads& trace, int64_t begin,
                             int64_t end) {
  std::vector<int64_t> sums(trace.step(0).size());
  for (int64_t step = begin; step < end; ++step) {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += trace.step(step)[i];
  }
  return sums;
}

TEST(TraceWindowTest, SumsEveryRangeThatMovesForward) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    DeterministicRandom random(seed);
    const RecordedLoads trace = RandomTrace(
        {.num_steps = 40, .num_layers = 2, .num_logical_experts = 3}, random);
    TraceWindow window(trace);
    int64_t begin = 0;
    int64_t end = 0;
    while (end < trace.num_steps()) {
      end = std::min(end + random.NextBelow(9), trace.num_steps());
      begin = std::min(begin + random.NextBelow(12), end);
      EPLB_ASSERT_OK_AND_ASSIGN(const ExpertLoads loads,
                                window.Sum(begin, end));
      EXPECT_EQ(loads.values(), absl::MakeConstSpan(SlowSum(trace, begin, end)))
          << begin << " to " << end;
    }
  }
}

}  // namespace
}  // namespace eplb
