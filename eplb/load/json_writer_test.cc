#include "eplb/load/json_writer.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

TEST(JsonWriterTest, WritesCompactlyInTheOrderOfTheCalls) {
  JsonWriter json;
  json.BeginObject().Field("z", 8).Key("a").Integers(
      std::vector<int>{5, 0, -7});
  json.Key("empty").BeginArray().EndArray().Key("rows").BeginArray();
  json.BeginObject().Field("x", 0.5).EndObject().BeginObject().EndObject();
  json.EndArray().Field("name", "n").EndObject();
  EXPECT_EQ(
      json.Take(),
      R"({"z":8,"a":[5,0,-7],"empty":[],"rows":[{"x":0.5},{}],"name":"n"})");
}

TEST(JsonWriterTest, EscapesTextAndReplacesWhatIsNoUtf8) {
  JsonWriter json;
  json.BeginArray().Value("\"\\\n\x01\xc3\xa9").Value("\xff").EndArray();
  EXPECT_EQ(json.Take(), "[\"\\\"\\\\\\n\\u0001\xc3\xa9\",\"\xef\xbf\xbd\"]");
}

TEST(JsonWriterTest, WritesNumbersThatReadBackAsTheSame) {
  std::vector<double> numbers = {0.1, 1, 1e300, 5e-324, 1.0 / 3};
  DeterministicRandom random(/*seed=*/1);
  for (int i = 0; i < 1000; ++i) numbers.push_back(random.NextNormal());
  JsonWriter json;
  json.BeginArray();
  for (const double number : numbers) json.Value(number);
  json.Value(std::numeric_limits<int64_t>::min()).EndArray();
  const std::string text = json.Take();
  EXPECT_EQ(text.substr(0, 12), "[0.1,1,1e+30");
  const nlohmann::json parsed = nlohmann::json::parse(text);
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(parsed[i], numbers[i]);
  EXPECT_EQ(parsed.back(), std::numeric_limits<int64_t>::min());
}

TEST(JsonWriterTest, WritesTruthsAsSuch) {
  JsonWriter json;
  json.BeginArray().Value(true).Value(false).Value(1).EndArray();
  EXPECT_EQ(json.Take(), "[true,false,1]");
}

TEST(JsonWriterTest, WritesNullForWhatIsNotFinite) {
  JsonWriter json;
  json.Value(std::numeric_limits<double>::infinity());
  EXPECT_EQ(json.Take(), "null");
}

}  // namespace
}  // namespace eplb
