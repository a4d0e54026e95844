#include "collectives/gloo_opening.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "collectives/operation.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

GlooOpening SomeOpening() {
  return {.call = {.operation = Operation::kClone,
                   .num_bytes = 4711,
                   .root = -1,
                   .clone_name = "worker"},
          .pairing_sum = UINT64_MAX,
          .payload = std::string("a\0b", 3)};
}

TEST(GlooOpeningTest, DecodesWhatWasEncoded) {
  const std::optional<GlooOpening> opening =
      GlooOpening::Decode(SomeOpening().Encode());
  ASSERT_TRUE(opening.has_value());
  EXPECT_EQ(opening->call.operation, Operation::kClone);
  EXPECT_EQ(opening->call.num_bytes, 4711);
  EXPECT_EQ(opening->call.root, -1);
  EXPECT_EQ(opening->call.clone_name, "worker");
  EXPECT_EQ(opening->pairing_sum, UINT64_MAX);
  EXPECT_EQ(opening->payload, std::string("a\0b", 3));
}

TEST(GlooOpeningTest, RefusesWhatIsCutOffBeforeThePayload) {
  const std::string bytes = SomeOpening().Encode();
  const size_t without_payload = bytes.size() - SomeOpening().payload.size();
  for (size_t size = 0; size < without_payload; ++size) {
    EXPECT_FALSE(GlooOpening::Decode(bytes.substr(0, size)).has_value())
        << size;
  }
}

TEST(GlooOpeningTest, RefusesANameThatIsLongerThanAllThatCame) {
  std::string bytes = SomeOpening().Encode();
  // The highest byte of the length of the name.
  bytes[5 * 8 - 1] = '\x7f';
  EXPECT_FALSE(GlooOpening::Decode(bytes).has_value());
}

}  // namespace
}  // namespace eplb
