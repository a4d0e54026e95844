#include "eplb/state/eplb_config.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "collectives/configuration_fields.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status CheckAtLeast(absl::string_view field, int64_t value,
                          int64_t minimum) {
  if (value >= minimum) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " must be at least ", minimum));
}

// False for NaN.
absl::Status CheckAboveZeroUpToOne(absl::string_view field, double value) {
  if (value > 0 && value <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " must be more than 0 and at most 1"));
}

absl::Status CheckNotEmpty(absl::string_view field, const std::string& value) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": '' must not be empty"));
}

}  // namespace

absl::Status EplbConfig::Validate() const {
  EPLB_RETURN_IF_ERROR(CheckAtLeast("window_size", window_size, 1));
  EPLB_RETURN_IF_ERROR(CheckAtLeast("step_interval", step_interval, 1));
  if (num_redundant_experts != kAutoRedundantExperts) {
    EPLB_RETURN_IF_ERROR(
        CheckAtLeast("num_redundant_experts", num_redundant_experts, 0));
  }
  EPLB_RETURN_IF_ERROR(CheckNotEmpty("policy", policy));
  EPLB_RETURN_IF_ERROR(CheckNotEmpty("communicator", communicator));
  EPLB_RETURN_IF_ERROR(
      CheckAtLeast("log_balancedness_interval", log_balancedness_interval, 1));
  if (!(min_balancedness_gain >= 0 && min_balancedness_gain <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_balancedness_gain: ", min_balancedness_gain,
                     " must be from 0 to 1"));
  }
  EPLB_RETURN_IF_ERROR(
      CheckAtLeast("max_moves_per_layer", max_moves_per_layer, 0));
  EPLB_RETURN_IF_ERROR(
      CheckAboveZeroUpToOne("target_balancedness", target_balancedness));
  EPLB_RETURN_IF_ERROR(CheckAtLeast("staging_bytes", staging_bytes, 0));
  EPLB_RETURN_IF_ERROR(
      CheckAtLeast("transfer_bytes_per_step", transfer_bytes_per_step, 1));
  EPLB_RETURN_IF_ERROR(
      CheckAtLeast("switch_bytes_per_step", switch_bytes_per_step, 0));
  if (collective_timeout <= std::chrono::nanoseconds(0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("collective_timeout: ", collective_timeout.count(),
                     " ns must be more than 0"));
  }
  return CheckAboveZeroUpToOne("load_decay", load_decay);
}

absl::StatusOr<int> EplbConfig::RedundantExperts(int num_logical_experts,
                                                 int num_ranks) const {
  if (num_redundant_experts != kAutoRedundantExperts) {
    return num_redundant_experts;
  }
  return AutoRedundantExperts(num_logical_experts, num_ranks);
}

ConfigurationFields EplbConfig::Fields() const {
  const auto text = [](const auto& value) { return absl::StrCat(value); };
  // Enough digits that different values are different texts.
  const auto exact = [](double value) {
    return absl::StrFormat("%.17g", value);
  };
  auto fields = ConfigurationFields::Create({
      {"window_size", text(window_size)},
      {"step_interval", text(step_interval)},
      {"num_redundant_experts", num_redundant_experts == kAutoRedundantExperts
                                    ? "auto"
                                    : text(num_redundant_experts)},
      {"policy", policy},
      {"use_async", text(use_async)},
      {"communicator", communicator},
      {"log_balancedness", text(log_balancedness)},
      {"log_balancedness_interval", text(log_balancedness_interval)},
      {"log_balancedness_verbose", text(log_balancedness_verbose)},
      {"min_balancedness_gain", exact(min_balancedness_gain)},
      {"max_moves_per_layer", text(max_moves_per_layer)},
      {"target_balancedness", exact(target_balancedness)},
      {"staging_bytes", text(staging_bytes)},
      {"transfer_bytes_per_step", text(transfer_bytes_per_step)},
      {"switch_bytes_per_step", text(switch_bytes_per_step)},
      {"verify_checksums", text(verify_checksums)},
      {"load_decay", exact(load_decay)},
  });
  // Fails only for names that come twice, and for a policy or communicator
  // whose name is longer than a page, which nothing is registered under.
  return fields.ok() ? *std::move(fields) : ConfigurationFields();
}

}  // namespace eplb
