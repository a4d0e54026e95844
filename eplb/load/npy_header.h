// Reads the header of NumPy's .npy files, versions 1 to 3.
//
//   EPLB_ASSIGN_OR_RETURN(NpyHeader header,
//                         ParseNpyHeader(first_bytes, file_size));

#ifndef EPLB_LOAD_NPY_HEADER_H_
#define EPLB_LOAD_NPY_HEADER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eplb {

// What every .npy file begins with.
inline constexpr absl::string_view kNpyMagic = "\x93NUMPY";

// The element types that loads come in, all little-endian.
enum class NpyType { kInt32, kInt64, kFloat32, kFloat64 };

struct NpyHeader {
  // The most bytes before the data.
  static constexpr int64_t kMaxBytes = 65536;

  NpyType type = NpyType::kInt64;
  std::vector<int64_t> shape;
  int64_t data_offset = 0;

  int64_t element_bytes() const {
    return type == NpyType::kInt32 || type == NpyType::kFloat32 ? 4 : 8;
  }
};

// `head` is the beginning of a file of `file_size` bytes: the first
// NpyHeader::kMaxBytes, or all of it. InvalidArgument, naming the field and
// its value, unless the header is well-formed, the array is in C order, no
// extent is negative, and its data is exactly the rest of the file.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view head,
                                         int64_t file_size);

// "(58, 256)".
std::string NpyShapeText(const std::vector<int64_t>& shape);

}  // namespace eplb

#endif  // EPLB_LOAD_NPY_HEADER_H_
