#include "eplb/state/background/agreed_units.h"

#include <chrono>
#include <memory>
#include <optional>

#include "eplb/core/clock.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

constexpr SteadyTime kNoon{std::chrono::hours(12)};

AgreedUnit UnitOf(int num_layers, SteadyTime staged_at) {
  ShuffleUnit unit;
  unit.layers.resize(num_layers);
  return {.unit = std::make_shared<const ShuffleUnit>(unit),
          .staged_at = staged_at};
}

TEST(AgreedUnitsTest, GivesBackWhatANumberStandsFor) {
  AgreedUnits units;
  const AgreedUnit unit = UnitOf(1, kNoon);
  const int64_t number = units.Add(unit);
  EXPECT_NE(units.Add({.closing = 7}), number);
  EXPECT_EQ(units.Find(number).unit, unit.unit);
}

TEST(AgreedUnitsTest, CountsLayersAndNotTheEndsOfRuns) {
  AgreedUnits units;
  const int64_t number = units.Add(UnitOf(2, kNoon));
  units.Add({.closing = 1});
  units.Add(UnitOf(1, kNoon));
  EXPECT_EQ(units.num_layers(), 3);
  units.Remove(number);
  EXPECT_EQ(units.num_layers(), 1);
}

TEST(AgreedUnitsTest, KnowsSinceWhenTheOldestWaits) {
  AgreedUnits units;
  EXPECT_EQ(units.oldest(), std::nullopt);
  units.Add({.closing = 1});
  const int64_t number = units.Add(UnitOf(1, kNoon));
  units.Add(UnitOf(1, kNoon + std::chrono::seconds(1)));
  EXPECT_EQ(units.oldest(), kNoon);
  units.Remove(number);
  EXPECT_EQ(units.oldest(), kNoon + std::chrono::seconds(1));
}

}  // namespace
}  // namespace eplb
