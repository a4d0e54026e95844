#include "testing/damaged_text.h"

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::Contains;

TEST(DamagedTextTest, CutsReplacesDoublesAndTakesOut) {
  std::set<std::string> seen;
  ForEachDamage("abcd", [&](absl::string_view text) { seen.emplace(text); });
  for (const std::string text :
       {"", "a", "abc", "-bcd", "abc\"", "acd", "abcabcd"}) {
    EXPECT_THAT(seen, Contains(text));
  }
  EXPECT_GT(seen.size(), 1000u);
}

}  // namespace
}  // namespace eplb
