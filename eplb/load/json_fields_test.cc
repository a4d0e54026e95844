#include "eplb/load/json_fields.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/damaged_text.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Fields of every kind.
struct Wanted {
  std::optional<int64_t> count;
  std::optional<std::string> name;
  std::optional<JsonTable> map;
  std::optional<std::vector<JsonRecord>> layers;

  absl::Status Parse(absl::string_view text, bool* cut_short = nullptr) {
    JsonFields fields;
    fields.Integer("count", count);
    fields.String("name", name);
    fields.Table("map", {.axes = {"layer", "slot"}}, map);
    fields.Records("layers", {"a", "b"}, layers);
    return fields.Parse(text, cut_short);
  }
};

absl::Status Parse(absl::string_view text) { return Wanted().Parse(text); }

TEST(JsonFieldsTest, TakesTheFieldsAskedForAndSkipsOthers) {
  Wanted wanted;
  ASSERT_THAT(wanted.Parse(R"({"skip": {"map": [1], "deep": [[{"x": null}]]},
          "count": -3, "name": "n\u00e9", "map": [[0, 1], [2, -1]],
          "layers": [{"b": 2.5, "c": [1], "a": 1}, {}], "more": [true]})"),
              IsOk());
  EXPECT_THAT(wanted.count, Optional(-3));
  EXPECT_THAT(wanted.name, Optional(std::string("n\xc3\xa9")));
  ASSERT_TRUE(wanted.map && wanted.layers);
  EXPECT_THAT(wanted.map->extents, ElementsAre(2, 2));
  EXPECT_THAT(wanted.map->values, ElementsAre(0, 1, 2, -1));
  EXPECT_THAT(*wanted.layers,
              ElementsAre(ElementsAre(Optional(1.0), Optional(2.5)),
                          ElementsAre(std::nullopt, std::nullopt)));
}

TEST(JsonFieldsTest, LeavesMissingFieldsEmpty) {
  Wanted wanted;
  ASSERT_THAT(wanted.Parse("{}"), IsOk());
  EXPECT_FALSE(wanted.count || wanted.name || wanted.map || wanted.layers);
}

TEST(JsonFieldsTest, NamesLineAndColumnOfWhatIsNotJson) {
  EXPECT_THAT(Parse("{\"count\":\n  x}"),
              StatusIs(kInvalid, HasSubstr("line 2, column 3: not JSON")));
  EXPECT_THAT(Parse("{\"count\": 1e999}"),
              StatusIs(kInvalid, HasSubstr("a number too large")));
  EXPECT_THAT(Parse("{} {}"), StatusIs(kInvalid, HasSubstr("not JSON")));
  EXPECT_THAT(Parse("{\"count\": NaN}"),
              StatusIs(kInvalid, HasSubstr("not JSON")));
  EXPECT_THAT(Parse("1"), StatusIs(kInvalid, HasSubstr("must be an object")));
  EXPECT_THAT(Parse("[1]"), StatusIs(kInvalid, HasSubstr("must be an object")));
}

TEST(JsonFieldsTest, TellsATextThatIsCutShort) {
  const std::string text = R"({"name":"x","map":[[1,2]],"count":12})";
  for (size_t size = 0; size < text.size(); ++size) {
    bool cut_short = false;
    EXPECT_THAT(Wanted().Parse(text.substr(0, size), &cut_short),
                StatusIs(kInvalid, HasSubstr("ends too early")));
    EXPECT_TRUE(cut_short) << size;
  }
  bool cut_short = true;
  EXPECT_THAT(Wanted().Parse("{x", &cut_short),
              StatusIs(kInvalid, HasSubstr("not JSON")));
  EXPECT_FALSE(cut_short);
}

TEST(JsonFieldsTest, RefusesValuesOfAnotherKind) {
  const struct {
    const char* text;
    const char* error;
  } cases[] = {
      {R"({"count": "1"})", "count: must be an integer"},
      {R"({"count": 1.5})", "count: 1.5 is not an integer"},
      {R"({"count": 1.0})", "count: 1 is not an integer"},
      {R"({"count": 18446744073709551615})", "count: 18446744073709551615"},
      {R"({"count": null})", "count: must be an integer"},
      {R"({"count": [1]})", "count: must not be an array"},
      {R"({"count": {}})", "count: must not be an object"},
      {R"({"name": 1})", "name: must be a string"},
      {R"({"map": 1})", "map: must be an array"},
      {R"({"map": {}})", "map: neither a number nor an array"},
      {R"({"map": [1]})", "map: 1 nested arrays where there must be 2"},
      {R"({"map": [[[1]]]})", "map: layer 0, slot 0: an array inside 2"},
      {R"({"map": []})", "map: an empty array"},
      {R"({"map": [[]]})", "map: layer 0: an empty array"},
      {R"({"map": [[1, 2], [3]]})",
       "map: layer 1: 1 slots, but 2 in the rows before"},
      {R"({"map": [[1], 2]})", "map: layer 1: a number where"},
      {R"({"map": [[1, "2"]]})", "map: layer 0, slot 1: neither a number"},
      {R"({"map": [[1, true]]})", "map: layer 0, slot 1: neither a number"},
      {R"({"map": [[1, 2.5]]})", "map: layer 0, slot 1: 2.5 is not an integer"},
      {R"({"map": [[3000000000]]})", "map: layer 0, slot 0: 3000000000 is not"},
      {R"({"layers": 1})", "layers: must be an array"},
      {R"({"layers": [1]})", "layers: must be an array of objects"},
      {R"({"layers": [[1]]})", "layers: must be an array of objects"},
      {R"({"layers": [{"a": "x"}]})", "layers: its values must be numbers"},
      {R"({"layers": [{"a": [1]}]})", "layers: its values must be numbers"},
      {R"({"layers": [{"a": {}}]})", "layers: its values must be numbers"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Parse(c.text), StatusIs(kInvalid, HasSubstr(c.error)))
        << c.text;
  }
}

TEST(JsonFieldsTest, RefusesANameThatIsThereTwice) {
  for (const char* text :
       {R"({"count": 1, "count": 1})", R"({"x": 1, "x": 2})",
        R"({"x": {"y": 1, "y": 2}})", R"({"layers": [{"a": 1, "a": 1}]})",
        R"({"count": 1, "co\u0075nt": 2})"}) {
    EXPECT_THAT(Parse(text), StatusIs(kInvalid, HasSubstr("is there twice")))
        << text;
  }
}

TEST(JsonFieldsTest, LimitsNestingAndNames) {
  for (const char* bracket : {"[", "{\"a\":"}) {
    std::string deep = "{\"x\":";
    for (int i = 0; i < 100000; ++i) deep += bracket;
    EXPECT_THAT(Parse(deep), StatusIs(kInvalid, HasSubstr("nested deeper")));
  }
  std::string wide = "{";
  for (int i = 0; i < 2000; ++i) absl::StrAppend(&wide, "\"", i, "\":0,");
  EXPECT_THAT(Parse(wide), StatusIs(kInvalid, HasSubstr("more than 1024")));
}

TEST(JsonFieldsTest, LimitsRecords) {
  const auto layers = [](size_t count) {
    std::string text = "{\"layers\": [{}";
    for (size_t i = 1; i < count; ++i) text += ",{}";
    return text + "]}";
  };
  Wanted wanted;
  ASSERT_THAT(wanted.Parse(layers(JsonFields::kMaxRecords)), IsOk());
  ASSERT_TRUE(wanted.layers);
  EXPECT_EQ(wanted.layers->size(), JsonFields::kMaxRecords);
  EXPECT_THAT(Parse(layers(JsonFields::kMaxRecords + 1)),
              StatusIs(kInvalid, HasSubstr("layers: more than 65536 objects")));
}

TEST(JsonFieldsTest, AnswersEveryDamage) {
  ForEachDamage(
      R"({"count":3,"name":"x","map":[[0,1],[2,-1]],"layers":[{"a":1.5}]})",
      [](absl::string_view damaged) { Parse(damaged).IgnoreError(); });
}

}  // namespace
}  // namespace eplb
