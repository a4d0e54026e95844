#include "collectives/check_header.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/little_endian.h"
#include "collectives/operation.h"
#include "collectives/rank_values.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

constexpr uint32_t kMagic = 0x424c5045;  // "EPLB"
constexpr size_t kChecksumOffset = 184;

constexpr size_t kComparedBytes = 160;
constexpr size_t kPairingSumOffset = 160;
constexpr size_t kValueOffset = 168;

// `hash` with the words of [begin, end) added.
StableHash AddWords(StableHash hash, const std::byte* header, size_t begin,
                    size_t end) {
  for (size_t offset = begin; offset < end; offset += 8) {
    hash.Add(LoadLittleEndian(header + offset, 8));
  }
  return hash;
}

uint64_t ChecksumOf(const std::byte* header) {
  return AddWords(StableHash(), header, 0, kChecksumOffset).value();
}

std::string Number(uint64_t value) { return absl::StrCat(value); }
std::string Signed(uint64_t value) {
  return absl::StrCat(static_cast<int64_t>(value));
}
std::string Hash(uint64_t value) {
  return absl::StrCat("0x", absl::Hex(value, absl::kZeroPad16));
}
std::string OperationText(uint64_t value) {
  return std::string(OperationName(static_cast<Operation>(value)));
}
std::string ElementText(uint64_t value) {
  return value == 0 ? "bytes" : value == 1 ? "int64" : absl::StrCat(value);
}

struct Field {
  absl::string_view name;
  uint64_t (*get)(const CheckHeader&);
  std::string (*text)(uint64_t value);
  bool is_about_operation;
};

constexpr bool kAboutOperation = true;
constexpr bool kAboutState = false;

#define EPLB_HEADER_FIELD_(member) \
  [](const CheckHeader& header) { return static_cast<uint64_t>(header.member); }

const Field kComparedFields[] = {
    {"version", EPLB_HEADER_FIELD_(version), Number, kAboutOperation},
    {"operation", EPLB_HEADER_FIELD_(operation), OperationText,
     kAboutOperation},
    {"element type", EPLB_HEADER_FIELD_(element_type), ElementText,
     kAboutOperation},
    {"epoch", EPLB_HEADER_FIELD_(epoch), Number, kAboutOperation},
    {"sequence", EPLB_HEADER_FIELD_(sequence), Number, kAboutOperation},
    {"bytes", EPLB_HEADER_FIELD_(num_bytes), Number, kAboutOperation},
    {"root", EPLB_HEADER_FIELD_(root), Signed, kAboutOperation},
    {"clone name", EPLB_HEADER_FIELD_(clone_name_hash), Hash, kAboutOperation},
    {"state", EPLB_HEADER_FIELD_(state), Number, kAboutState},
    {"forward id", EPLB_HEADER_FIELD_(forward_id), Number, kAboutState},
    {"model", EPLB_HEADER_FIELD_(model), Number, kAboutState},
    {"layer", EPLB_HEADER_FIELD_(layer), Signed, kAboutState},
    {"installed placement", EPLB_HEADER_FIELD_(installed_placement_hash), Hash,
     kAboutState},
    {"planned placement", EPLB_HEADER_FIELD_(planned_placement_hash), Hash,
     kAboutState},
    {CheckHeader::kConfigurationField, EPLB_HEADER_FIELD_(configuration_hash),
     Hash, kAboutState},
    {"weight layout", EPLB_HEADER_FIELD_(weight_layout_hash), Hash,
     kAboutState},
};

#undef EPLB_HEADER_FIELD_

}  // namespace

std::array<std::byte, CheckHeader::kNumBytes> CheckHeader::Serialize() const {
  std::array<std::byte, kNumBytes> bytes = {};
  StoreLittleEndian(kMagic, 4, &bytes[0]);
  StoreLittleEndian(version, 2, &bytes[4]);
  StoreLittleEndian(static_cast<uint8_t>(operation), 1, &bytes[6]);
  StoreLittleEndian(static_cast<uint8_t>(element_type), 1, &bytes[7]);
  StoreLittleEndian(epoch, 8, &bytes[8]);
  StoreLittleEndian(sequence, 8, &bytes[16]);
  StoreLittleEndian(num_bytes, 8, &bytes[24]);
  StoreLittleEndian(root, 8, &bytes[32]);
  StoreLittleEndian(clone_name_hash, 8, &bytes[40]);
  StoreLittleEndian(state, 8, &bytes[48]);
  StoreLittleEndian(forward_id, 8, &bytes[56]);
  StoreLittleEndian(model, 8, &bytes[64]);
  StoreLittleEndian(layer, 8, &bytes[72]);
  StoreLittleEndian(installed_placement_hash, 8, &bytes[80]);
  StoreLittleEndian(planned_placement_hash, 8, &bytes[88]);
  StoreLittleEndian(configuration_hash, 8, &bytes[96]);
  StoreLittleEndian(weight_layout_hash, 8, &bytes[104]);
  StoreLittleEndian(pairing_sum, 8, &bytes[kPairingSumOffset]);
  StoreLittleEndian(value, 8, &bytes[kValueOffset]);
  StoreLittleEndian(ChecksumOf(bytes.data()), 8, &bytes[kChecksumOffset]);
  return bytes;
}

absl::StatusOr<CheckHeader> CheckHeader::Parse(
    absl::Span<const std::byte> bytes) {
  const auto load = [&](size_t offset, int num_bytes) {
    return LoadLittleEndian(bytes.data() + offset, num_bytes);
  };
  if (bytes.size() != kNumBytes || load(0, 4) != kMagic) {
    return absl::DataLossError("this is no check header");
  }
  if (load(kChecksumOffset, 8) != ChecksumOf(bytes.data())) {
    return absl::DataLossError("the check header has a wrong checksum");
  }
  CheckHeader header;
  header.version = load(4, 2);
  header.operation = static_cast<Operation>(load(6, 1));
  header.element_type = static_cast<ElementType>(load(7, 1));
  header.epoch = load(8, 8);
  header.sequence = load(16, 8);
  header.num_bytes = load(24, 8);
  header.root = load(32, 8);
  header.clone_name_hash = load(40, 8);
  header.state = load(48, 8);
  header.forward_id = load(56, 8);
  header.model = load(64, 8);
  header.layer = load(72, 8);
  header.installed_placement_hash = load(80, 8);
  header.planned_placement_hash = load(88, 8);
  header.configuration_hash = load(96, 8);
  header.weight_layout_hash = load(104, 8);
  header.pairing_sum = load(kPairingSumOffset, 8);
  header.value = load(kValueOffset, 8);
  return header;
}

AlikeHeaderReader::AlikeHeaderReader(const CheckHeader& own,
                                     absl::Span<const std::byte> own_bytes)
    : own_(own),
      own_bytes_(own_bytes),
      hash_of_compared_(
          AddWords(StableHash(), own_bytes.data(), 0, kComparedBytes)) {}

bool AlikeHeaderReader::Read(absl::Span<const std::byte> bytes,
                             CheckHeader& header) const {
  if (std::memcmp(bytes.data(), own_bytes_.data(), kComparedBytes) != 0) {
    return false;
  }
  const uint64_t checksum =
      AddWords(hash_of_compared_, bytes.data(), kComparedBytes, kChecksumOffset)
          .value();
  if (LoadLittleEndian(&bytes[kChecksumOffset], 8) != checksum) return false;
  header = own_;
  header.pairing_sum = LoadLittleEndian(&bytes[kPairingSumOffset], 8);
  header.value = LoadLittleEndian(&bytes[kValueOffset], 8);
  return true;
}

std::vector<HeaderDifference> CompareHeaders(
    absl::Span<const CheckHeader> header_of_rank) {
  std::vector<HeaderDifference> differences;
  for (const Field& field : kComparedFields) {
    bool is_same = true;
    for (const CheckHeader& header : header_of_rank) {
      is_same = is_same && field.get(header) == field.get(header_of_rank[0]);
    }
    if (is_same) continue;
    std::vector<std::string> value_of_rank;
    for (const CheckHeader& header : header_of_rank) {
      value_of_rank.push_back(field.text(field.get(header)));
    }
    differences.push_back({std::string(field.name),
                           DescribeRankValues(value_of_rank),
                           field.is_about_operation});
  }
  return differences;
}

}  // namespace eplb
