// ExpertWeights: where an engine keeps the weights of this rank's experts, for
// every layer, so that a shuffle can move them.
//
//   // Layer by layer, each with the same number of local slots.
//   EPLB_ASSIGN_OR_RETURN(
//       ExpertWeights weights,
//       ExpertWeights::Create({{{.name = "gate_up",
//                                .data = gate_up,
//                                .num_rows = 9,
//                                .bytes_per_row = 29360128,
//                                .stride_bytes = 29360128,
//                                .element_type = WeightType::kFloat8},
//                               {.name = "gate_up_scale", ...}}}));
//
// A row is one tensor's part of the expert in one slot. All tensors of an
// expert move together or not at all: a scale that did not come with its
// weights is a wrong weight.

#ifndef EPLB_SHUFFLE_EXPERT_WEIGHTS_H_
#define EPLB_SHUFFLE_EXPERT_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/memory_space.h"

namespace eplb {

// What a tensor is made of. Packed formats below a byte are kByte.
enum class WeightType : uint8_t {
  kByte,
  kInt8,
  kFloat8,
  kFloat16,
  kBFloat16,
  kInt32,
  kFloat32,
  kInt64,
  kFloat64,
};

absl::string_view WeightTypeName(WeightType type);
size_t WeightTypeBytes(WeightType type);

// One tensor of a layer: row s belongs to local slot s.
struct ExpertTensor {
  std::string name;      // Unique in its layer.
  void* data = nullptr;  // Row 0. Borrowed.
  int num_rows = 0;
  size_t bytes_per_row = 0;
  size_t stride_bytes = 0;  // From a row to the next.
  WeightType element_type = WeightType::kByte;
  MemorySpace space = MemorySpace::kHost;
};

// Immutable; the memory it points to is the engine's, and outlives it.
class ExpertWeights {
 public:
  // The tensors of each layer. InvalidArgument, naming layer and tensor, for
  // no layers or tensors, a name twice, no address, an empty row, an address
  // or a size that is no multiple of the element, rows that overlap each other
  // or another tensor's, and tensors that differ in rows or in space.
  static absl::StatusOr<ExpertWeights> Create(
      std::vector<std::vector<ExpertTensor>> tensors_of_layer);

  int num_layers() const { return static_cast<int>(tensors_.size()); }
  int num_local_slots() const { return tensors_[0][0].num_rows; }
  MemorySpace space() const { return tensors_[0][0].space; }

  absl::Span<const ExpertTensor> tensors(int layer) const {
    return tensors_[layer];
  }

  std::byte* row(int layer, int tensor, int slot) const {
    const ExpertTensor& t = tensors_[layer][tensor];
    return static_cast<std::byte*>(t.data) +
           t.stride_bytes * static_cast<size_t>(slot);
  }

  // The rows of one slot together.
  size_t bytes_per_expert(int layer) const { return bytes_per_expert_[layer]; }

  // Equal where one rank's rows fit another's: slots, and the names, element
  // types and row sizes of all tensors. Addresses, strides and spaces are each
  // rank's own.
  uint64_t LayoutHash() const;

 private:
  explicit ExpertWeights(std::vector<std::vector<ExpertTensor>> tensors);

  absl::Status CheckRowsApart() const;

  std::vector<std::vector<ExpertTensor>> tensors_;
  std::vector<size_t> bytes_per_expert_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_EXPERT_WEIGHTS_H_
