#include "eplb/load/npy_header.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/damaged_text.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::string_view kGood =
    "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 5), }\n";

// What stands before the data, in the given version of the format.
std::string Header(absl::string_view dictionary, int version = 1) {
  std::string length;
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    length += static_cast<char>(dictionary.size() >> (8 * i));
  }
  return absl::StrCat(kNpyMagic, std::string(1, static_cast<char>(version)),
                      std::string(1, '\0'), length, dictionary);
}

// Parses it in a file that has `data_bytes` more.
absl::StatusOr<NpyHeader> Parse(const std::string& header, int64_t data_bytes) {
  return ParseNpyHeader(header,
                        static_cast<int64_t>(header.size()) + data_bytes);
}

absl::StatusOr<NpyHeader> ParseDictionary(absl::string_view dictionary) {
  return Parse(Header(dictionary), 60);
}

TEST(NpyHeaderTest, ReadsAllVersions) {
  for (const int version : {1, 2, 3}) {
    const std::string header = Header(kGood, version);
    EPLB_ASSERT_OK_AND_ASSIGN(const NpyHeader parsed, Parse(header, 60));
    EXPECT_EQ(parsed.type, NpyType::kInt32);
    EXPECT_THAT(parsed.shape, ElementsAre(3, 5));
    EXPECT_EQ(parsed.data_offset, static_cast<int64_t>(header.size()));
  }
}

TEST(NpyHeaderTest, RefusesOtherVersionsAndMagic) {
  EXPECT_THAT(Parse(Header(kGood, 4), 60),
              StatusIs(kInvalid, HasSubstr("version 4.0")));
  std::string header = Header(kGood);
  header[7] = 1;
  EXPECT_THAT(Parse(header, 60), StatusIs(kInvalid, HasSubstr("version 1.1")));
  header[0] = 'X';
  EXPECT_THAT(Parse(header, 60),
              StatusIs(kInvalid, HasSubstr("does not begin with")));
}

TEST(NpyHeaderTest, RefusesLengthsBeyondTheFileAndTheLimit) {
  EXPECT_THAT(Parse(Header(kGood).substr(0, 40), 0),
              StatusIs(kInvalid, HasSubstr("goes beyond the file")));
  const std::string endless = absl::StrCat(
      kNpyMagic, absl::string_view("\2\0\xff\xff\xff\xff", 6), "{");
  EXPECT_THAT(
      Parse(endless, 0),
      StatusIs(kInvalid, HasSubstr("length of 4294967295 bytes goes beyond")));
  EXPECT_THAT(ParseNpyHeader(endless, int64_t{1} << 40),
              StatusIs(kInvalid, HasSubstr("is more than 65536")));
}

TEST(NpyHeaderTest, RefusesOtherTypes) {
  EXPECT_THAT(ParseDictionary(
                  "{'descr': '>i4', 'fortran_order': False, 'shape': (3, 5)}"),
              StatusIs(kInvalid, HasSubstr("'>i4' is big-endian")));
  for (const char* type : {"|i1", "<u8", "<f2", "<c8", "|O", ""}) {
    EXPECT_THAT(
        ParseDictionary(absl::StrCat(
            "{'descr': '", type, "', 'fortran_order': False, 'shape': ()}")),
        StatusIs(kInvalid, HasSubstr("is no type of loads")))
        << type;
  }
}

TEST(NpyHeaderTest, RefusesFortranOrder) {
  EXPECT_THAT(ParseDictionary(
                  "{'descr': '<i4', 'fortran_order': True, 'shape': (3, 5)}"),
              StatusIs(kInvalid, HasSubstr("Fortran order")));
}

TEST(NpyHeaderTest, RefusesShapesThatAreNotTheRestOfTheFile) {
  const auto with_shape = [](absl::string_view shape, int64_t data_bytes) {
    return Parse(Header(absl::StrCat("{'descr': '<i4', 'fortran_order': False, "
                                     "'shape': ",
                                     shape, "}")),
                 data_bytes);
  };
  EXPECT_THAT(with_shape("(3, 5)", 60), IsOk());
  EXPECT_THAT(with_shape("(25000, 100000)", 20),
              StatusIs(kInvalid, HasSubstr("shape (25000, 100000) needs "
                                           "10000000000 bytes of data; the "
                                           "file has 20")));
  EXPECT_THAT(with_shape("(3, 5)", 59),
              StatusIs(kInvalid, HasSubstr("has 59")));
  EXPECT_THAT(with_shape("(3, 5)", 61),
              StatusIs(kInvalid, HasSubstr("has 61")));
  EXPECT_THAT(with_shape("(3, -5)", 60),
              StatusIs(kInvalid, HasSubstr("is negative")));
  EXPECT_THAT(with_shape("(4294967296, 4294967296)", 0),
              StatusIs(kInvalid, HasSubstr("overflows")));
  EXPECT_THAT(with_shape("(99999999999999999999, 1)", 0),
              StatusIs(kInvalid, HasSubstr("expected an int64")));
}

TEST(NpyHeaderTest, RefusesDictionariesThatNumPyDoesNotWrite) {
  const struct {
    const char* dictionary;
    const char* error;
  } cases[] = {
      {"", "expected '{'"},
      {"garbage", "expected '{'"},
      {"{'descr': '<i4'", "expected '}'"},
      {"{'descr' '<i4'}", "expected ':'"},
      {"{descr: '<i4'}", "a quoted string"},
      {"{'descr: <i4}", "a closed string"},
      {"{'descr': [('a', '<i4')]}", "a quoted string"},
      {"{'shape': (3, 5), 'fortran_order': False}", "'descr' is missing"},
      {"{'descr': '<i4', 'shape': (3, 5)}", "'fortran_order' is missing"},
      {"{'descr': '<i4', 'fortran_order': False}", "'shape' is missing"},
      {"{'descr': '<i4', 'descr': '<i4'}", "'descr' is there twice"},
      {"{'shape': (1,), 'shape': (1,)}", "'shape' is there twice"},
      {"{'more': 1}", "unknown key 'more'"},
      {"{'fortran_order': 0}", "True or False"},
      {"{'shape': (3 5)}", "expected ')'"},
      {"{'shape': 3}", "expected '('"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 5)} x",
       "nothing more"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(ParseDictionary(c.dictionary),
                StatusIs(kInvalid, HasSubstr(c.error)))
        << c.dictionary;
  }
}

TEST(NpyHeaderTest, AnswersEveryDamage) {
  ForEachDamage(Header(kGood), [](absl::string_view head) {
    const absl::StatusOr<NpyHeader> header =
        ParseNpyHeader(head, static_cast<int64_t>(head.size()) + 60);
    if (!header.ok()) return;
    int64_t bytes = header->element_bytes();
    for (const int64_t extent : header->shape) bytes *= extent;
    EXPECT_EQ(header->data_offset + bytes,
              static_cast<int64_t>(head.size()) + 60);
  });
}

}  // namespace
}  // namespace eplb
