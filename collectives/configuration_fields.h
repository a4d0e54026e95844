// ConfigurationFields: the settings that all ranks must hold alike, as names
// and values to compare and to speak of.
//
//   EPLB_ASSIGN_OR_RETURN(
//       ConfigurationFields fields,
//       ConfigurationFields::Create({{"window_size", "1000"}}));
//   fields.Hash();  // Travels in every check header.

#ifndef EPLB_COLLECTIVES_CONFIGURATION_FIELDS_H_
#define EPLB_COLLECTIVES_CONFIGURATION_FIELDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace eplb {

// A value; no fields by default. Thread-compatible.
class ConfigurationFields {
 public:
  // Serialised, all fields of a rank fit into this.
  static constexpr size_t kMaxBytes = 64 << 10;

  using Field = std::pair<std::string, std::string>;  // Name and value.

  // InvalidArgument when they take more than kMaxBytes or a name comes twice.
  static absl::StatusOr<ConfigurationFields> Create(std::vector<Field> fields);

  ConfigurationFields();

  uint64_t hash() const { return hash_; }

  // Per field the length of the name in 4 bytes, little-endian, the name, and
  // the same for the value.
  const std::string& bytes() const { return bytes_; }

  // The opposite. DataLoss for bytes that no Create could have made: they come
  // from another rank.
  static absl::StatusOr<ConfigurationFields> Parse(absl::string_view bytes);

  // The fields that differ between ranks: the name, and each value with the
  // ranks that hold it.
  static std::string DescribeDifferences(
      absl::Span<const ConfigurationFields> fields_of_rank);

 private:
  std::vector<Field> fields_;
  std::string bytes_;
  uint64_t hash_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CONFIGURATION_FIELDS_H_
