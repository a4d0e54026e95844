#include "collectives/configuration_fields.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/little_endian.h"
#include "collectives/rank_values.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

void AppendText(absl::string_view text, std::string& bytes) {
  std::byte length[4];
  StoreLittleEndian(text.size(), sizeof(length), length);
  bytes.append(reinterpret_cast<const char*>(length), sizeof(length));
  bytes.append(text.data(), text.size());
}

// Takes a text off the front of `bytes`; nothing when they are too short.
std::optional<std::string> TakeText(absl::string_view& bytes) {
  constexpr size_t kLengthBytes = 4;
  if (bytes.size() < kLengthBytes) return std::nullopt;
  const uint64_t length = LoadLittleEndian(
      reinterpret_cast<const std::byte*>(bytes.data()), kLengthBytes);
  bytes.remove_prefix(kLengthBytes);
  if (bytes.size() < length) return std::nullopt;
  std::string text(bytes.substr(0, length));
  bytes.remove_prefix(length);
  return text;
}

std::optional<std::string> ValueOf(
    const std::vector<ConfigurationFields::Field>& fields,
    const std::string& name) {
  for (const auto& field : fields) {
    if (field.first == name) return field.second;
  }
  return std::nullopt;
}

}  // namespace

ConfigurationFields::ConfigurationFields()
    : hash_(StableHash().Add(absl::string_view()).value()) {}

absl::StatusOr<ConfigurationFields> ConfigurationFields::Create(
    std::vector<Field> fields) {
  ConfigurationFields result;
  for (const auto& [name, value] : fields) {
    if (ValueOf(result.fields_, name).has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("configuration field ", name, " comes twice"));
    }
    result.fields_.emplace_back(name, value);
    AppendText(name, result.bytes_);
    AppendText(value, result.bytes_);
  }
  if (result.bytes_.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the configuration takes ", result.bytes_.size(),
                     " bytes; at most ", kMaxBytes, " can be compared"));
  }
  result.hash_ = StableHash().Add(absl::string_view(result.bytes_)).value();
  return result;
}

absl::StatusOr<ConfigurationFields> ConfigurationFields::Parse(
    absl::string_view bytes) {
  std::vector<Field> fields;
  while (!bytes.empty()) {
    std::optional<std::string> name = TakeText(bytes);
    std::optional<std::string> value =
        name.has_value() ? TakeText(bytes) : std::nullopt;
    if (!value.has_value()) {
      return absl::DataLossError("the configuration fields are cut short");
    }
    fields.emplace_back(*std::move(name), *std::move(value));
  }
  absl::StatusOr<ConfigurationFields> result = Create(std::move(fields));
  if (!result.ok()) return absl::DataLossError(result.status().message());
  return result;
}

std::string ConfigurationFields::DescribeDifferences(
    absl::Span<const ConfigurationFields> fields_of_rank) {
  std::vector<std::string> names;
  for (const ConfigurationFields& fields : fields_of_rank) {
    for (const auto& [name, value] : fields.fields_) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  std::string description;
  for (const std::string& name : names) {
    std::vector<std::string> value_of_rank;
    for (const ConfigurationFields& fields : fields_of_rank) {
      value_of_rank.push_back(ValueOf(fields.fields_, name).value_or("(none)"));
    }
    if (std::count(value_of_rank.begin(), value_of_rank.end(),
                   value_of_rank[0]) ==
        static_cast<ptrdiff_t>(value_of_rank.size())) {
      continue;
    }
    absl::StrAppend(&description, description.empty() ? "" : "; ", name, ": ",
                    DescribeRankValues(value_of_rank));
  }
  return description.empty() ? "the order of the fields" : description;
}

}  // namespace eplb
