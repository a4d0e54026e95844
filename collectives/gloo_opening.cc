#include "collectives/gloo_opening.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/call_description.h"
#include "collectives/little_endian.h"
#include "collectives/operation.h"

namespace eplb {
namespace {

void AppendWord(uint64_t value, std::string& bytes) {
  std::byte stored[8];
  StoreLittleEndian(value, 8, stored);
  bytes.append(reinterpret_cast<const char*>(stored), 8);
}

uint64_t TakeWord(absl::string_view& bytes) {
  const uint64_t value =
      LoadLittleEndian(reinterpret_cast<const std::byte*>(bytes.data()), 8);
  bytes.remove_prefix(8);
  return value;
}

}  // namespace

std::string GlooOpening::Encode() const {
  std::string bytes;
  AppendWord(static_cast<uint64_t>(call.operation), bytes);
  AppendWord(call.num_bytes, bytes);
  AppendWord(call.root, bytes);
  AppendWord(pairing_sum, bytes);
  AppendWord(call.clone_name.size(), bytes);
  return absl::StrCat(bytes, call.clone_name, payload);
}

std::optional<GlooOpening> GlooOpening::Decode(absl::string_view bytes) {
  if (bytes.size() < 5 * 8) return std::nullopt;
  GlooOpening opening;
  opening.call.operation = static_cast<Operation>(TakeWord(bytes));
  opening.call.num_bytes = TakeWord(bytes);
  opening.call.root = static_cast<int>(TakeWord(bytes));
  opening.pairing_sum = TakeWord(bytes);
  const uint64_t name_bytes = TakeWord(bytes);
  if (name_bytes > bytes.size()) return std::nullopt;
  opening.call.clone_name = std::string(bytes.substr(0, name_bytes));
  opening.payload = std::string(bytes.substr(name_bytes));
  return opening;
}

}  // namespace eplb
