#include "eplb/state/eplb_config.h"

#include <chrono>
#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "collectives/configuration_fields.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(EplbConfigTest, HasTheDefaultsThatAreDocumented) {
  const EplbConfig config;
  EPLB_EXPECT_OK(config.Validate());
  EXPECT_EQ(config.window_size, 1000);
  EXPECT_EQ(config.step_interval, 3000);
  EXPECT_EQ(config.policy, "hierarchical");
  EXPECT_EQ(config.transfer_bytes_per_step, 64 << 20);
  EXPECT_EQ(config.collective_timeout, std::chrono::seconds(60));
}

// Validates the default with one field set.
template <typename T, typename Value>
absl::Status ValidateWith(T EplbConfig::*field, const Value& value) {
  EplbConfig config;
  config.*field = value;
  return config.Validate();
}

TEST(EplbConfigTest, NamesFieldAndValueOfWhatIsOutOfRange) {
  const auto is_about = [](const std::string& field, const std::string& value) {
    return StatusIs(absl::StatusCode::kInvalidArgument,
                    AllOf(HasSubstr(field), HasSubstr(value)));
  };
  EXPECT_THAT(ValidateWith(&EplbConfig::window_size, 0),
              is_about("window_size", "0"));
  EXPECT_THAT(ValidateWith(&EplbConfig::step_interval, -3),
              is_about("step_interval", "-3"));
  EXPECT_THAT(ValidateWith(&EplbConfig::num_redundant_experts, -2),
              is_about("num_redundant_experts", "-2"));
  EXPECT_THAT(ValidateWith(&EplbConfig::policy, ""), is_about("policy", "''"));
  EXPECT_THAT(ValidateWith(&EplbConfig::communicator, ""),
              is_about("communicator", "''"));
  EXPECT_THAT(ValidateWith(&EplbConfig::log_balancedness_interval, 0),
              is_about("log_balancedness_interval", "0"));
  EXPECT_THAT(ValidateWith(&EplbConfig::min_balancedness_gain, 1.5),
              is_about("min_balancedness_gain", "1.5"));
  EXPECT_THAT(ValidateWith(&EplbConfig::min_balancedness_gain, std::nan("")),
              is_about("min_balancedness_gain", "nan"));
  EXPECT_THAT(ValidateWith(&EplbConfig::max_moves_per_layer, -1),
              is_about("max_moves_per_layer", "-1"));
  EXPECT_THAT(ValidateWith(&EplbConfig::target_balancedness, 0.0),
              is_about("target_balancedness", "0"));
  EXPECT_THAT(ValidateWith(&EplbConfig::staging_bytes, -5),
              is_about("staging_bytes", "-5"));
  EXPECT_THAT(ValidateWith(&EplbConfig::transfer_bytes_per_step, 0),
              is_about("transfer_bytes_per_step", "0"));
  EXPECT_THAT(ValidateWith(&EplbConfig::switch_bytes_per_step, -1),
              is_about("switch_bytes_per_step", "-1"));
  EXPECT_THAT(
      ValidateWith(&EplbConfig::collective_timeout, std::chrono::seconds(0)),
      is_about("collective_timeout", "0"));
  EXPECT_THAT(ValidateWith(&EplbConfig::load_decay, 1.25),
              is_about("load_decay", "1.25"));
}

TEST(EplbConfigTest, FindsTheRedundancyThatAutoMeans) {
  EplbConfig config;
  config.num_redundant_experts = 7;
  EXPECT_THAT(config.RedundantExperts(60, 8), IsOkAndHolds(7));
  config.num_redundant_experts = EplbConfig::kAutoRedundantExperts;
  EPLB_EXPECT_OK(config.Validate());
  EXPECT_THAT(config.RedundantExperts(60, 8), IsOkAndHolds(4));
}

TEST(EplbConfigTest, ComparesAllFieldsButFoldersAndTimeouts) {
  EplbConfig other;
  other.expert_load_dump_dir = "dumps";
  other.collective_timeout = std::chrono::seconds(1);
  EXPECT_EQ(other.Fields().hash(), EplbConfig().Fields().hash());

  // Apart only in the last bits.
  other.target_balancedness = std::nextafter(other.target_balancedness, 1);
  EXPECT_THAT(ConfigurationFields::DescribeDifferences(
                  {EplbConfig().Fields(), other.Fields()}),
              HasSubstr("target_balancedness"));
}

}  // namespace
}  // namespace eplb
