#include "policies/load_order/falling_load_order.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/load_order/avx512.h"

namespace eplb {
namespace {

using ::testing::ElementsAreArray;

std::vector<int32_t> StablySorted(const std::vector<int64_t>& loads) {
  std::vector<int32_t> order(loads.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return loads[a] > loads[b]; });
  return order;
}

TEST(FallingLoadOrderTest, IsAStableSortByFallingLoad) {
  FallingLoadOrder portable(/*use_avx512=*/false);
  FallingLoadOrder fastest(CpuHasAvx512());
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<int64_t> loads(1 + random() % (seed % 10 == 0 ? 3000 : 300));
    const int bits = random() % 54;
    for (int64_t& load : loads) load = random() & ((int64_t{1} << bits) - 1);
    if (random() % 4 == 0) loads[0] = int64_t{1} << 53;
    const std::vector<int32_t> expected = StablySorted(loads);
    EXPECT_THAT(portable.Sort(loads), ElementsAreArray(expected));
    EXPECT_THAT(fastest.Sort(loads), ElementsAreArray(expected));
  }
}

}  // namespace
}  // namespace eplb
