#include "policies/incremental_planner/donor_shortlist.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

constexpr double kNoDonor = -std::numeric_limits<double>::infinity();

// A few values, so that many bases are equal, or many.
double RandomBase(DeterministicRandom& random, bool has_ties) {
  if (random.NextBelow(4) == 0) return kNoDonor;
  return static_cast<double>(random.NextBelow(has_ties ? 5 : 1 << 30)) - 3.0;
}

std::vector<int32_t> BestByLookingAtAll(const std::vector<double>& bases,
                                        double bar) {
  std::vector<int32_t> slots;
  for (size_t slot = 0; slot < bases.size(); ++slot) {
    if (bases[slot] > bar) slots.push_back(static_cast<int32_t>(slot));
  }
  std::stable_sort(slots.begin(), slots.end(),
                   [&](int32_t a, int32_t b) { return bases[a] > bases[b]; });
  slots.resize(std::min(slots.size(), DonorShortlist::kMaxDonors));
  return slots;
}

TEST(DonorShortlistTest, ListsTheBestThroughManyChanges) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    DeterministicRandom random(seed);
    const bool has_ties = seed % 3 == 0;
    std::vector<double> bases(1 + random.NextBelow(2000));
    DonorShortlist shortlist(static_cast<int>(bases.size()));
    const auto change = [&](size_t slot) {
      bases[slot] = RandomBase(random, has_ties);
      // What is no donor any more need not be told.
      if (bases[slot] != kNoDonor) {
        shortlist.Consider(static_cast<int>(slot), bases[slot]);
      }
    };
    for (size_t slot = 0; slot < bases.size(); ++slot) change(slot);
    for (int search = 0; search < 100; ++search) {
      if (random.NextBelow(50) == 0) shortlist.Restart();
      const double bar = RandomBase(random, has_ties);
      std::vector<Donor> donors;
      shortlist.List(
          bases, [bar](double base) { return base > bar; }, donors);
      std::vector<int32_t> slots;
      for (const Donor& donor : donors) {
        EXPECT_EQ(donor.base, bases[donor.slot]);
        slots.push_back(donor.slot);
      }
      ASSERT_EQ(slots, BestByLookingAtAll(bases, bar)) << "search " << search;
      const uint64_t num_changes = random.NextBelow(40);
      for (uint64_t i = 0; i < num_changes; ++i) {
        change(random.NextBelow(bases.size()));
      }
    }
  }
}

}  // namespace
}  // namespace eplb
