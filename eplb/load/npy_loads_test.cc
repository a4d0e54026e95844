#include "eplb/load/npy_loads.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/load/input_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

template <typename Element>
std::string Npy(absl::string_view descr, absl::string_view shape,
                const std::vector<Element>& elements) {
  const std::string dictionary =
      absl::StrCat("{'descr': '", descr,
                   "', 'fortran_order': False, 'shape': ", shape, ", }\n");
  const absl::string_view data(reinterpret_cast<const char*>(elements.data()),
                               elements.size() * sizeof(Element));
  return absl::StrCat(absl::string_view("\x93NUMPY\1\0", 8),
                      std::string(1, static_cast<char>(dictionary.size())),
                      std::string(1, '\0'), dictionary, data);
}

class NpyLoadsTest : public ::testing::Test {
 protected:
  absl::StatusOr<RecordedLoads> Read(absl::string_view content) {
    absl::StatusOr<InputFile> file =
        InputFile::Open(folder_.Write("loads.npy", content));
    if (!file.ok()) return file.status();
    return ReadNpyLoads(*file);
  }

  TemporaryFolder folder_;
};

TEST_F(NpyLoadsTest, ReadsAllTypes) {
  for (const std::string& content :
       {Npy<int32_t>("<i4", "(2, 3)", {1, 2, 3, 4, 5, 6}),
        Npy<int64_t>("<i8", "(2, 3)", {1, 2, 3, 4, 5, 6}),
        Npy<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6}),
        Npy<double>("<f8", "(2, 3)", {1, 2, 3, 4, 5, 6})}) {
    EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads, Read(content));
    EXPECT_EQ(loads.num_steps(), 1);
    EXPECT_EQ(loads.num_layers(), 2);
    EXPECT_EQ(loads.num_logical_experts(), 3);
    EXPECT_THAT(loads.step(0), ElementsAre(1, 2, 3, 4, 5, 6));
  }
}

TEST_F(NpyLoadsTest, ReadsSteps) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const RecordedLoads loads,
      Read(Npy<int32_t>("<i4", "(2, 1, 2)", {1, 2, 3, 4})));
  EXPECT_EQ(loads.num_steps(), 2);
  EXPECT_THAT(loads.step(1), ElementsAre(3, 4));
}

TEST_F(NpyLoadsTest, ReadsMoreThanOneBlock) {
  std::vector<int32_t> counts(200000);
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = static_cast<int>(i);
  EPLB_ASSERT_OK_AND_ASSIGN(const RecordedLoads loads,
                            Read(Npy("<i4", "(2, 100000)", counts)));
  EXPECT_TRUE(std::equal(counts.begin(), counts.end(), loads.step(0).begin()));
}

TEST_F(NpyLoadsTest, RefusesOtherNumbersOfAxes) {
  for (const char* shape : {"()", "(1,)", "(1, 1, 1, 1)"}) {
    EXPECT_THAT(Read(Npy<int32_t>("<i4", shape, {1})),
                StatusIs(kInvalid, HasSubstr("axes; loads are")))
        << shape;
  }
  EXPECT_THAT(Read(Npy<int32_t>("<i4", "(0, 4)", {})),
              StatusIs(kInvalid, HasSubstr("at least 1 of each")));
}

TEST_F(NpyLoadsTest, NamesFileLayerAndExpertOfABadLoad) {
  EXPECT_THAT(
      Read(Npy<int32_t>("<i4", "(2, 2)", {1, 2, 3, -4})),
      StatusIs(kInvalid,
               AllOf(HasSubstr("loads.npy: "),
                     HasSubstr("layer 1, expert 1: negative load -4"))));
  EXPECT_THAT(
      Read(Npy<double>("<f8", "(2, 1, 1)", {1, std::nan("")})),
      StatusIs(kInvalid,
               HasSubstr("step 1, layer 0, expert 0: load nan is not")));
  EXPECT_THAT(
      Read(Npy<float>("<f4", "(1, 2)",
                      {1, std::numeric_limits<float>::infinity()})),
      StatusIs(kInvalid, HasSubstr("layer 0, expert 1: load inf is not")));
  EXPECT_THAT(Read(Npy<int64_t>("<i8", "(1, 1)",
                                {std::numeric_limits<int64_t>::max()})),
              StatusIs(kInvalid, HasSubstr("is more than 9007199254740992")));
}

TEST_F(NpyLoadsTest, RefusesEveryFileThatIsCutShort) {
  const std::string content = Npy<int32_t>("<i4", "(2, 3)", {1, 2, 3, 4, 5, 6});
  for (size_t size = 0; size < content.size(); ++size) {
    EXPECT_THAT(Read(content.substr(0, size)),
                StatusIs(kInvalid, HasSubstr("loads.npy: npy header: ")))
        << size;
  }
}

}  // namespace
}  // namespace eplb
