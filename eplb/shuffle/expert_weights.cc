#include "eplb/shuffle/expert_weights.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

std::string Describe(int layer, const ExpertTensor& tensor) {
  return absl::StrCat("layer ", layer, ", tensor ", tensor.name);
}

absl::Status CheckAddress(const ExpertTensor& tensor) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.data);
  const size_t element = WeightTypeBytes(tensor.element_type);
  if (tensor.data == nullptr) {
    return absl::InvalidArgumentError("has no address");
  }
  if (address % element != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address 0x", absl::Hex(address), " is not a multiple of the ", element,
        " bytes of ", WeightTypeName(tensor.element_type)));
  }
  for (const size_t bytes : {tensor.bytes_per_row, tensor.stride_bytes}) {
    if (bytes % element == 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("rows of ", tensor.bytes_per_row, " bytes every ",
                     tensor.stride_bytes, " are misaligned for the ", element,
                     " bytes of ", WeightTypeName(tensor.element_type)));
  }
  return absl::OkStatus();
}

// By itself.
absl::Status CheckTensor(const ExpertTensor& tensor) {
  if (tensor.num_rows < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", tensor.num_rows, " rows, at least 1 is needed"));
  }
  if (tensor.bytes_per_row == 0) {
    return absl::InvalidArgumentError("has rows of 0 bytes");
  }
  if (tensor.stride_bytes < tensor.bytes_per_row) {
    return absl::InvalidArgumentError(
        absl::StrCat("rows overlap: ", tensor.bytes_per_row, " bytes every ",
                     tensor.stride_bytes));
  }
  EPLB_RETURN_IF_ERROR(CheckAddress(tensor));
  const uintptr_t room = std::numeric_limits<uintptr_t>::max() -
                         reinterpret_cast<uintptr_t>(tensor.data);
  if (tensor.stride_bytes > room / tensor.num_rows) {
    return absl::InvalidArgumentError(
        absl::StrCat(tensor.num_rows, " rows every ", tensor.stride_bytes,
                     " bytes reach beyond the last address"));
  }
  return absl::OkStatus();
}

// What all tensors of a model share.
absl::Status CheckAlike(const ExpertTensor& tensor, const ExpertTensor& first) {
  if (tensor.num_rows != first.num_rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", tensor.num_rows, " slots, ", Describe(0, first),
                     " has ", first.num_rows));
  }
  if (tensor.space != first.space) {
    return absl::InvalidArgumentError(
        absl::StrCat("is in ", MemorySpaceName(tensor.space), " memory, ",
                     Describe(0, first), " in ", MemorySpaceName(first.space)));
  }
  return absl::OkStatus();
}

absl::Status CheckNames(absl::Span<const ExpertTensor> tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", i, " has no name"));
    }
    for (size_t j = 0; j < i; ++j) {
      if (tensors[i].name != tensors[j].name) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "tensors ", j, " and ", i, " are both called ", tensors[i].name));
    }
  }
  return absl::OkStatus();
}

absl::Status Prefixed(absl::string_view place, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(place, ": ", status.message()));
}

struct PlacedRow {
  uintptr_t begin;
  uintptr_t end;
  int layer;
  int tensor;
  int slot;
};

}  // namespace

absl::string_view WeightTypeName(WeightType type) {
  switch (type) {
    case WeightType::kByte:
      return "byte";
    case WeightType::kInt8:
      return "int8";
    case WeightType::kFloat8:
      return "float8";
    case WeightType::kFloat16:
      return "float16";
    case WeightType::kBFloat16:
      return "bfloat16";
    case WeightType::kInt32:
      return "int32";
    case WeightType::kFloat32:
      return "float32";
    case WeightType::kInt64:
      return "int64";
    case WeightType::kFloat64:
      return "float64";
  }
  return "unknown";
}

size_t WeightTypeBytes(WeightType type) {
  switch (type) {
    case WeightType::kByte:
    case WeightType::kInt8:
    case WeightType::kFloat8:
      return 1;
    case WeightType::kFloat16:
    case WeightType::kBFloat16:
      return 2;
    case WeightType::kInt32:
    case WeightType::kFloat32:
      return 4;
    case WeightType::kInt64:
    case WeightType::kFloat64:
      return 8;
  }
  return 1;
}

ExpertWeights::ExpertWeights(std::vector<std::vector<ExpertTensor>> tensors)
    : tensors_(std::move(tensors)) {
  for (const std::vector<ExpertTensor>& layer : tensors_) {
    size_t bytes = 0;
    for (const ExpertTensor& tensor : layer) bytes += tensor.bytes_per_row;
    bytes_per_expert_.push_back(bytes);
  }
}

absl::StatusOr<ExpertWeights> ExpertWeights::Create(
    std::vector<std::vector<ExpertTensor>> tensors_of_layer) {
  if (tensors_of_layer.empty()) {
    return absl::InvalidArgumentError("expert weights have no layers");
  }
  const ExpertWeights weights(std::move(tensors_of_layer));
  for (int layer = 0; layer < weights.num_layers(); ++layer) {
    const absl::Span<const ExpertTensor> tensors = weights.tensors(layer);
    const std::string place = absl::StrCat("layer ", layer);
    if (tensors.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(place, " has no tensors"));
    }
    const absl::Status names = CheckNames(tensors);
    if (!names.ok()) return Prefixed(place, names);
    for (const ExpertTensor& tensor : tensors) {
      absl::Status status = CheckTensor(tensor);
      status.Update(CheckAlike(tensor, weights.tensors(0)[0]));
      if (!status.ok()) return Prefixed(Describe(layer, tensor), status);
    }
  }
  EPLB_RETURN_IF_ERROR(weights.CheckRowsApart());
  return weights;
}

// Rows of several tensors may be interleaved, so each row counts by itself.
absl::Status ExpertWeights::CheckRowsApart() const {
  std::vector<PlacedRow> rows;
  for (int layer = 0; layer < num_layers(); ++layer) {
    for (size_t tensor = 0; tensor < tensors_[layer].size(); ++tensor) {
      for (int slot = 0; slot < num_local_slots(); ++slot) {
        const int index = static_cast<int>(tensor);
        const auto begin = reinterpret_cast<uintptr_t>(row(layer, index, slot));
        rows.push_back({begin, begin + tensors_[layer][tensor].bytes_per_row,
                        layer, index, slot});
      }
    }
  }
  std::sort(
      rows.begin(), rows.end(),
      [](const PlacedRow& a, const PlacedRow& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < rows.size(); ++i) {
    const PlacedRow& a = rows[i - 1];
    const PlacedRow& b = rows[i];
    if (a.end <= b.begin) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        Describe(a.layer, tensors_[a.layer][a.tensor]), ", row ", a.slot,
        " overlaps ", Describe(b.layer, tensors_[b.layer][b.tensor]), ", row ",
        b.slot));
  }
  return absl::OkStatus();
}

uint64_t ExpertWeights::LayoutHash() const {
  StableHash hash;
  hash.Add(uint64_t{tensors_.size()})
      .Add(static_cast<uint64_t>(num_local_slots()));
  for (const std::vector<ExpertTensor>& layer : tensors_) {
    hash.Add(uint64_t{layer.size()});
    for (const ExpertTensor& tensor : layer) {
      hash.Add(absl::string_view(tensor.name))
          .Add(uint64_t{tensor.bytes_per_row})
          .Add(static_cast<uint64_t>(tensor.element_type));
    }
  }
  return hash.value();
}

}  // namespace eplb
