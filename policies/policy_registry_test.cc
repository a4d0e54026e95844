#include "policies/policy_registry.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policies/placement_policy.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InitialPolicy final : public PlacementPolicy {
 private:
  absl::StatusOr<std::vector<int32_t>> ChoosePlacement(
      const PlacementRequest&, std::vector<std::string>&) const override {
    return absl::UnimplementedError("only its name matters here");
  }
};

TEST(PolicyRegistryTest, FindsWhatWasRegistered) {
  PolicyRegistry registry;
  auto policy = std::make_unique<InitialPolicy>();
  const PlacementPolicy* registered = policy.get();
  EPLB_ASSERT_OK(registry.Register("mine", std::move(policy)));
  EXPECT_THAT(registry.Find("mine"), IsOkAndHolds(registered));
}

TEST(PolicyRegistryTest, RefusesANameThatIsTaken) {
  PolicyRegistry registry;
  EPLB_ASSERT_OK(registry.Register("mine", std::make_unique<InitialPolicy>()));
  EXPECT_THAT(registry.Register("mine", std::make_unique<InitialPolicy>()),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'mine'")));
}

TEST(PolicyRegistryTest, UnknownNameListsTheKnownOnes) {
  PolicyRegistry registry;
  EPLB_ASSERT_OK(registry.Register("b", std::make_unique<InitialPolicy>()));
  EPLB_ASSERT_OK(registry.Register("a", std::make_unique<InitialPolicy>()));
  EXPECT_THAT(registry.Find("c"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'c'"), HasSubstr("a, b"))));
}

TEST(PolicyRegistryTest, NamesAreSorted) {
  PolicyRegistry registry;
  EXPECT_THAT(registry.Names(), IsEmpty());
  EPLB_ASSERT_OK(registry.Register("z", std::make_unique<InitialPolicy>()));
  EPLB_ASSERT_OK(registry.Register("a_1", std::make_unique<InitialPolicy>()));
  EXPECT_THAT(registry.Names(), ElementsAre("a_1", "z"));
}

TEST(PolicyRegistryTest, RefusesNamesThatAreNoWords) {
  PolicyRegistry registry;
  for (const char* name : {"", "Greedy", "a-b", "a b", "a,b", "\xc3\xa4"}) {
    EXPECT_THAT(registry.Register(name, std::make_unique<InitialPolicy>()),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << name;
  }
}

TEST(PolicyRegistryTest, RefusesNull) {
  EXPECT_THAT(PolicyRegistry().Register("mine", nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("null")));
}

}  // namespace
}  // namespace eplb
