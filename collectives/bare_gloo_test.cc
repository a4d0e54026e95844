#include "collectives/bare_gloo.h"

#include <cstdint>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(BareGlooTest, MovesBytesInOneDirectionAndInBoth) {
  BareGloo gloo;
  const std::vector<uint8_t> first(100'000, 1), second(100'000, 2);
  std::vector<uint8_t> from_first(100'000), from_second(100'000);
  std::thread other([&] {
    gloo.Transfer(1, {}, absl::MakeSpan(from_first));
    EXPECT_EQ(from_first, first);
    from_first.assign(from_first.size(), 0);
    gloo.Transfer(1, second, absl::MakeSpan(from_first));
  });
  gloo.Transfer(0, first, {});
  gloo.Transfer(0, first, absl::MakeSpan(from_second));
  other.join();
  EXPECT_EQ(from_first, first);
  EXPECT_EQ(from_second, second);
}

}  // namespace
}  // namespace eplb
