#include "collectives/configuration_fields.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::HasSubstr;

ConfigurationFields Fields(std::vector<ConfigurationFields::Field> fields) {
  return *ConfigurationFields::Create(std::move(fields));
}

TEST(ConfigurationFieldsTest, NamesWhatDiffers) {
  EXPECT_EQ(
      ConfigurationFields::DescribeDifferences(
          {Fields({{"window_size", "10"}, {"policy", "greedy"}}),
           Fields({{"window_size", "20"}, {"policy", "greedy"}}),
           Fields(
               {{"window_size", "10"}, {"policy", "greedy"}, {"extra", "1"}})}),
      "window_size: 10 on ranks 0, 2; 20 on rank 1; "
      "extra: (none) on ranks 0-1; 1 on rank 2");
}

TEST(ConfigurationFieldsTest, HashTellsFieldsApart) {
  const ConfigurationFields one = Fields({{"a", "bc"}});
  EXPECT_EQ(one.hash(), Fields({{"a", "bc"}}).hash());
  EXPECT_NE(one.hash(), Fields({{"ab", "c"}}).hash());
  EXPECT_NE(one.hash(), ConfigurationFields().hash());
  EXPECT_EQ(Fields({}).hash(), ConfigurationFields().hash());
}

TEST(ConfigurationFieldsTest, ParsesWhatItSerialises) {
  const ConfigurationFields fields =
      Fields({{"name", std::string("\0\xff", 2)}, {"", ""}});
  EPLB_ASSERT_OK_AND_ASSIGN(const ConfigurationFields parsed,
                            ConfigurationFields::Parse(fields.bytes()));
  EXPECT_EQ(parsed.bytes(), fields.bytes());
  EXPECT_EQ(parsed.hash(), fields.hash());
}

TEST(ConfigurationFieldsTest, BytesCutShortAreDataLoss) {
  const std::string bytes = Fields({{"window_size", "10"}}).bytes();
  for (size_t length = 1; length < bytes.size(); ++length) {
    EXPECT_THAT(
        ConfigurationFields::Parse(absl::string_view(bytes).substr(0, length)),
        StatusIs(absl::StatusCode::kDataLoss))
        << length;
  }
  EXPECT_THAT(ConfigurationFields::Parse("\xff\xff\xff\xff"),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ConfigurationFieldsTest, RefusesWhatCannotBeCompared) {
  EXPECT_THAT(ConfigurationFields::Create({{"policy", "a"}, {"policy", "b"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("policy comes twice")));
  EXPECT_THAT(
      ConfigurationFields::Create({{"dump", std::string(65536, 'x')}}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65548 bytes")));
}

}  // namespace
}  // namespace eplb
