// CheckHeader: what each rank says about itself and the operation it is about
// to begin, and all ranks compare. 192 bytes for ever, integers little-endian:
//
//   offset size
//        0    4  magic "EPLB"
//        4    2  version, 1
//        6    1  operation (collectives/operation.h)
//        7    1  element type
//        8    8  epoch
//       16    8  sequence: how many operations came before on this channel
//       24    8  bytes of each rank (0 for Exchange)
//       32    8  root of a Broadcast, else -1
//       40    8  hash of a clone's name, else 0
//       48    8  state
//       56    8  forward id
//       64    8  model
//       72    8  layer
//       80    8  hash of the installed placement
//       88    8  hash of the planned placement
//       96    8  hash of the configuration
//      104    8  hash of the weight layout
//      112   48  0, for later versions
//   From here on ranks differ:
//      160    8  pairing sum of an Exchange: the sum over ranks must be 0
//      168    8  value of an Agree
//      176    8  0, for later versions
//      184    8  checksum of all before

#ifndef EPLB_COLLECTIVES_CHECK_HEADER_H_
#define EPLB_COLLECTIVES_CHECK_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/operation.h"
#include "eplb/core/stable_hash.h"

namespace eplb {

struct CheckHeader {
  static constexpr size_t kNumBytes = 192;
  static constexpr uint16_t kVersion = 1;

  // The field whose difference ranks ask about further.
  static constexpr char kConfigurationField[] = "configuration";

  enum class ElementType : uint8_t { kByte = 0, kInt64 = 1 };

  uint16_t version = kVersion;
  Operation operation = Operation::kBarrier;
  ElementType element_type = ElementType::kByte;
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  uint64_t num_bytes = 0;
  int64_t root = -1;
  uint64_t clone_name_hash = 0;
  uint64_t state = 0;
  uint64_t forward_id = 0;
  uint64_t model = 0;
  int64_t layer = -1;
  uint64_t installed_placement_hash = 0;
  uint64_t planned_placement_hash = 0;
  uint64_t configuration_hash = 0;
  uint64_t weight_layout_hash = 0;
  uint64_t pairing_sum = 0;
  int64_t value = 0;

  std::array<std::byte, kNumBytes> Serialize() const;

  // DataLoss when `bytes`, which are kNumBytes, do not begin with the magic or
  // the checksum is wrong.
  static absl::StatusOr<CheckHeader> Parse(absl::Span<const std::byte> bytes);
};

// Reads headers that are mostly like this rank's own, without going through
// all their fields. Thread-compatible.
class AlikeHeaderReader {
 public:
  // `own_bytes` are those of `own`, and outlive the reader.
  AlikeHeaderReader(const CheckHeader& own,
                    absl::Span<const std::byte> own_bytes);

  // Whether `bytes`, as many, hold the same as the own ones in all that ranks
  // compare, with a right checksum; then `header` is what they hold.
  bool Read(absl::Span<const std::byte> bytes, CheckHeader& header) const;

 private:
  const CheckHeader& own_;
  const absl::Span<const std::byte> own_bytes_;
  const StableHash hash_of_compared_;
};

// A field that the ranks do not agree about.
struct HeaderDifference {
  std::string field;
  std::string values;  // With the ranks that hold them.
  // About which operation it is, not about what the ranks hold: they are no
  // longer at the same place.
  bool is_about_operation = false;
};

// The fields that differ, in the order of the header. The pairing sum and the
// value are each rank's own.
std::vector<HeaderDifference> CompareHeaders(
    absl::Span<const CheckHeader> header_of_rank);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CHECK_HEADER_H_
