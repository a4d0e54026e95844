#include "eplb/load/npy_loads.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/input_file.h"
#include "eplb/load/load_value.h"
#include "eplb/load/npy_header.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the elements are taken as they lie in the file");

absl::StatusOr<RecordedShape> ShapeOf(const NpyHeader& header) {
  const std::vector<int64_t>& shape = header.shape;
  if (shape.size() != 2 && shape.size() != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape ", NpyShapeText(shape), " has ", shape.size(),
        " axes; loads are [layers, experts] or [steps, layers, experts]"));
  }
  const RecordedShape recorded{.num_steps = shape.size() == 3 ? shape[0] : 1,
                               .num_layers = shape[shape.size() - 2],
                               .num_logical_experts = shape[shape.size() - 1]};
  EPLB_RETURN_IF_ERROR(recorded.Validate());
  return recorded;
}

// Converts `bytes` to the loads from `first` on. Whole numbers are left for
// RecordedLoads to check.
template <typename Element>
absl::Status Convert(absl::Span<const char> bytes, const RecordedShape& shape,
                     int64_t first, absl::Span<int64_t> loads) {
  for (size_t i = 0; i < loads.size(); ++i) {
    Element element;
    std::memcpy(&element, bytes.data() + i * sizeof(Element), sizeof(Element));
    if constexpr (std::is_floating_point_v<Element>) {
      const absl::StatusOr<int64_t> load = LoadFromDouble(element);
      if (!load.ok()) {
        return WithPlace(shape.PlaceOf(first + static_cast<int64_t>(i)),
                         load.status());
      }
      loads[i] = *load;
    } else {
      loads[i] = element;
    }
  }
  return absl::OkStatus();
}

absl::Status ConvertAs(NpyType type, absl::Span<const char> bytes,
                       const RecordedShape& shape, int64_t first,
                       absl::Span<int64_t> loads) {
  switch (type) {
    case NpyType::kInt32:
      return Convert<int32_t>(bytes, shape, first, loads);
    case NpyType::kInt64:
      return Convert<int64_t>(bytes, shape, first, loads);
    case NpyType::kFloat32:
      return Convert<float>(bytes, shape, first, loads);
    case NpyType::kFloat64:
      return Convert<double>(bytes, shape, first, loads);
  }
  return absl::InternalError("unknown NpyType");
}

}  // namespace

absl::StatusOr<RecordedLoads> ReadNpyLoads(const InputFile& file) {
  EPLB_ASSIGN_OR_RETURN(const std::string head,
                        file.ReadHead(NpyHeader::kMaxBytes));
  const absl::StatusOr<NpyHeader> header = ParseNpyHeader(head, file.size());
  if (!header.ok()) return WithPlace(file.name(), header.status());
  const absl::StatusOr<RecordedShape> shape = ShapeOf(*header);
  if (!shape.ok()) return WithPlace(file.name(), shape.status());

  constexpr int64_t kBlock = 1 << 16;
  std::vector<char> block(static_cast<size_t>(
      std::min(kBlock, shape->num_entries()) * header->element_bytes()));
  std::vector<int64_t> loads(static_cast<size_t>(shape->num_entries()));
  for (int64_t first = 0; first < shape->num_entries(); first += kBlock) {
    const int64_t count = std::min(kBlock, shape->num_entries() - first);
    const absl::Span<char> bytes = absl::MakeSpan(block).first(
        static_cast<size_t>(count * header->element_bytes()));
    EPLB_RETURN_IF_ERROR(file.ReadAt(
        header->data_offset + first * header->element_bytes(), bytes));
    EPLB_RETURN_IF_ERROR(WithPlace(
        file.name(),
        ConvertAs(header->type, bytes, *shape, first,
                  absl::MakeSpan(loads).subspan(static_cast<size_t>(first),
                                                static_cast<size_t>(count)))));
  }
  absl::StatusOr<RecordedLoads> recorded =
      RecordedLoads::Create(*shape, std::move(loads));
  if (!recorded.ok()) return WithPlace(file.name(), recorded.status());
  return recorded;
}

}  // namespace eplb
