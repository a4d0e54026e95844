#include "eplb/load/npy_header.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

absl::Status HeaderError(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("npy header: ", what));
}

// Reads the header's Python dictionary. Only what NumPy writes is accepted:
// {'descr': '<i8', 'fortran_order': False, 'shape': (58, 256), }
class DictionaryParser {
 public:
  explicit DictionaryParser(absl::string_view text) : text_(text) {}

  absl::Status Parse() {
    EPLB_RETURN_IF_ERROR(Expect('{'));
    while (!Consume('}')) {
      EPLB_RETURN_IF_ERROR(ParseEntry());
      if (!Consume(',')) {
        EPLB_RETURN_IF_ERROR(Expect('}'));
        break;
      }
    }
    SkipSpace();
    return rest().empty() ? absl::OkStatus() : Unexpected("nothing more");
  }

  const std::optional<std::string>& descr() const { return descr_; }
  const std::optional<bool>& fortran_order() const { return fortran_order_; }
  const std::optional<std::vector<int64_t>>& shape() const { return shape_; }

 private:
  absl::string_view rest() const { return text_.substr(position_); }

  void SkipSpace() {
    while (position_ < text_.size() &&
           (text_[position_] == ' ' || text_[position_] == '\n')) {
      ++position_;
    }
  }

  bool Consume(char c) {
    SkipSpace();
    if (rest().empty() || rest().front() != c) return false;
    ++position_;
    return true;
  }

  absl::Status Expect(char c) {
    if (Consume(c)) return absl::OkStatus();
    return Unexpected(absl::StrCat("'", std::string(1, c), "'"));
  }

  absl::Status Unexpected(absl::string_view wanted) const {
    return HeaderError(absl::StrCat(
        "expected ", wanted, " at character ", position_, " of the dictionary",
        rest().empty()
            ? ", which ends there"
            : absl::StrCat(", not '", absl::CHexEscape(rest().substr(0, 20)),
                           "'")));
  }

  absl::StatusOr<std::string> ParseString() {
    SkipSpace();
    if (rest().empty() || (rest()[0] != '\'' && rest()[0] != '"')) {
      return Unexpected("a quoted string");
    }
    const size_t end = text_.find(text_[position_], position_ + 1);
    if (end == absl::string_view::npos) return Unexpected("a closed string");
    const absl::string_view value =
        text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return std::string(value);
  }

  absl::StatusOr<bool> ParseBool() {
    SkipSpace();
    for (const bool value : {false, true}) {
      const absl::string_view word = value ? "True" : "False";
      if (absl::StartsWith(rest(), word)) {
        position_ += word.size();
        return value;
      }
    }
    return Unexpected("True or False");
  }

  absl::StatusOr<std::vector<int64_t>> ParseTuple() {
    std::vector<int64_t> extents;
    EPLB_RETURN_IF_ERROR(Expect('('));
    while (!Consume(')')) {
      SkipSpace();
      int64_t extent = 0;
      const auto [end, error] =
          std::from_chars(rest().data(), rest().data() + rest().size(), extent);
      if (error != std::errc()) return Unexpected("an int64");
      position_ = static_cast<size_t>(end - text_.data());
      extents.push_back(extent);
      if (!Consume(',')) {
        EPLB_RETURN_IF_ERROR(Expect(')'));
        break;
      }
    }
    return extents;
  }

  absl::Status ParseEntry() {
    EPLB_ASSIGN_OR_RETURN(const std::string key, ParseString());
    const std::string shown = absl::CHexEscape(key.substr(0, 40));
    if ((key == "descr" && descr_) || (key == "shape" && shape_) ||
        (key == "fortran_order" && fortran_order_)) {
      return HeaderError(absl::StrCat("'", shown, "' is there twice"));
    }
    EPLB_RETURN_IF_ERROR(Expect(':'));
    if (key == "descr") {
      EPLB_ASSIGN_OR_RETURN(descr_, ParseString());
    } else if (key == "fortran_order") {
      EPLB_ASSIGN_OR_RETURN(fortran_order_, ParseBool());
    } else if (key == "shape") {
      EPLB_ASSIGN_OR_RETURN(shape_, ParseTuple());
    } else {
      return HeaderError(absl::StrCat("unknown key '", shown, "'"));
    }
    return absl::OkStatus();
  }

  absl::string_view text_;
  size_t position_ = 0;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<int64_t>> shape_;
};

absl::StatusOr<NpyType> TypeOf(absl::string_view descr) {
  if (descr == "<i4") return NpyType::kInt32;
  if (descr == "<i8") return NpyType::kInt64;
  if (descr == "<f4") return NpyType::kFloat32;
  if (descr == "<f8") return NpyType::kFloat64;
  const std::string shown = absl::CHexEscape(descr.substr(0, 40));
  if (absl::StartsWith(descr, ">")) {
    return HeaderError(absl::StrCat("descr '", shown,
                                    "' is big-endian; loads are "
                                    "little-endian: <i4, <i8, <f4 or <f8"));
  }
  return HeaderError(absl::StrCat("descr '", shown,
                                  "' is no type of loads: <i4, <i8, <f4 or "
                                  "<f8"));
}

// Checks that the array is exactly what the file holds after its header.
absl::Status ValidateSize(const NpyHeader& header, int64_t file_size) {
  const int64_t rest = file_size - header.data_offset;
  const std::string shape = absl::StrCat("shape ", NpyShapeText(header.shape));
  int64_t bytes = header.element_bytes();
  for (const int64_t extent : header.shape) {
    if (extent < 0) return HeaderError(absl::StrCat(shape, " is negative"));
    if (extent != 0 && bytes > std::numeric_limits<int64_t>::max() / extent) {
      return HeaderError(absl::StrCat(shape, " overflows; the file has ", rest,
                                      " bytes of data"));
    }
    bytes *= extent;
  }
  if (bytes == rest) return absl::OkStatus();
  return HeaderError(absl::StrCat(shape, " needs ", bytes,
                                  " bytes of data; the file has ", rest));
}

// The dictionary's place in the file.
struct HeaderExtent {
  int64_t begin = 0;
  int64_t end = 0;
};

absl::StatusOr<HeaderExtent> FindDictionary(absl::string_view head,
                                            int64_t file_size) {
  if (!absl::StartsWith(head, kNpyMagic)) {
    return HeaderError("the file does not begin with \\x93NUMPY");
  }
  const auto byte = [&](size_t i) {
    return int64_t{static_cast<unsigned char>(head[i])};
  };
  if (head.size() < 10) return HeaderError("the file ends inside it");
  const int64_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0) {
    return HeaderError(absl::StrCat("version ", version, ".", byte(7),
                                    "; versions 1.0, 2.0 and 3.0 are read"));
  }
  HeaderExtent extent;
  int64_t length = byte(8) | byte(9) << 8;
  extent.begin = 10;
  if (version > 1) {
    if (head.size() < 12) return HeaderError("the file ends inside it");
    length |= byte(10) << 16 | byte(11) << 24;
    extent.begin = 12;
  }
  extent.end = extent.begin + length;
  if (extent.end > file_size) {
    return HeaderError(absl::StrCat("its length of ", length,
                                    " bytes goes beyond the file, which has ",
                                    file_size));
  }
  if (extent.end > static_cast<int64_t>(head.size())) {
    return HeaderError(absl::StrCat("its length of ", length,
                                    " bytes is more than ",
                                    NpyHeader::kMaxBytes));
  }
  return extent;
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view head,
                                         int64_t file_size) {
  EPLB_ASSIGN_OR_RETURN(const HeaderExtent extent,
                        FindDictionary(head, file_size));
  DictionaryParser parser(
      head.substr(static_cast<size_t>(extent.begin),
                  static_cast<size_t>(extent.end - extent.begin)));
  EPLB_RETURN_IF_ERROR(parser.Parse());
  if (!parser.descr()) return HeaderError("'descr' is missing");
  if (!parser.fortran_order()) return HeaderError("'fortran_order' is missing");
  if (!parser.shape()) return HeaderError("'shape' is missing");
  if (*parser.fortran_order()) {
    return HeaderError(
        "fortran_order is True: the array is in Fortran order; loads are in C "
        "order (numpy.ascontiguousarray)");
  }
  NpyHeader header;
  EPLB_ASSIGN_OR_RETURN(header.type, TypeOf(*parser.descr()));
  header.shape = *parser.shape();
  header.data_offset = extent.end;
  EPLB_RETURN_IF_ERROR(ValidateSize(header, file_size));
  return header;
}

std::string NpyShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("(", absl::StrJoin(shape, ", "),
                      shape.size() == 1 ? ",)" : ")");
}

}  // namespace eplb
