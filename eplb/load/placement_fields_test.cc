#include "eplb/load/placement_fields.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/json_fields.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::StatusOr<Placement> Read(absl::string_view text) {
  JsonFields json;
  PlacementFields fields;
  fields.AddTo(json, "num_layers");
  EPLB_RETURN_IF_ERROR(json.Parse(text));
  EPLB_RETURN_IF_ERROR(fields.Validate());
  return fields.Build();
}

TEST(PlacementFieldsTest, BuildsThePlacement) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Placement placement,
                            Read(R"({"num_layers": 1, "num_logical_experts": 2,
               "num_physical_experts": 4,
               "physical_to_logical_map": [[1, 0, -1, 1]]})"));
  EXPECT_EQ(placement.expert_of_slot(0, 3), 1);
  EXPECT_EQ(placement.num_replicas(0, 1), 2);
}

TEST(PlacementFieldsTest, SaysWhatDoesNotAgree) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {R"({"num_logical_experts": 1})", "no field 'physical_to_logical_map'"},
      {R"({"physical_to_logical_map": [[0]]})",
       "no field 'num_logical_experts'"},
      {R"({"num_logical_experts": 2, "physical_to_logical_map": [[0]]})",
       "num_logical_experts: 2 is not in [1, 1]"},
      {R"({"num_logical_experts": 0, "physical_to_logical_map": [[0]]})",
       "num_logical_experts: 0 is not in [1, 1]"},
      {R"({"num_logical_experts": 1, "physical_to_logical_map": [[0]],
           "num_layers": 2})",
       "num_layers: 2 where physical_to_logical_map has 1"},
      {R"({"num_logical_experts": 1, "physical_to_logical_map": [[0]],
           "num_physical_experts": 5})",
       "num_physical_experts: 5 where physical_to_logical_map has 1"},
      {R"({"num_logical_experts": 2, "physical_to_logical_map": [[0, 2]]})",
       "physical_to_logical_map: layer 0, slot 1: expert 2"},
      {R"({"num_logical_experts": 2, "physical_to_logical_map": [[0, -2]]})",
       "physical_to_logical_map: layer 0, slot 1: expert -2"},
      {R"({"num_logical_experts": 2, "physical_to_logical_map": [[0, 0]]})",
       "physical_to_logical_map: layer 0: expert 1 has no slot"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Read(c.text), StatusIs(kInvalid, HasSubstr(c.error))) << c.text;
  }
}

TEST(ValidateRankCountTest, WantsRanksThatDivideTheSlots) {
  EXPECT_THAT(ValidateRankCount("num_ranks", 4, 8), IsOk());
  for (const int ranks : {-1, 0, 3, 16}) {
    EXPECT_THAT(ValidateRankCount("num_ranks", ranks, 8),
                StatusIs(kInvalid, HasSubstr("does not divide the 8 slots")));
  }
}

}  // namespace
}  // namespace eplb
