#include "tools/run/expert_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

constexpr size_t kWordBytes = sizeof(uint64_t);

// Word `index` of the endless row of words that `key` stands for.
uint64_t Word(uint64_t key, uint64_t index) {
  uint64_t x = key + index * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The bytes of that row from `offset` on. Ranks of one run are machines of one
// byte order.
void FillRow(uint64_t key, size_t offset, absl::Span<std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t position = offset + done;
    const size_t within = position % kWordBytes;
    const size_t count = std::min(kWordBytes - within, bytes.size() - done);
    const uint64_t word = Word(key, position / kWordBytes);
    std::memcpy(bytes.data() + done,
                reinterpret_cast<const std::byte*>(&word) + within, count);
    done += count;
  }
}

// The first byte that is not the row's; bytes.size() when all are.
size_t FirstDifference(uint64_t key, size_t offset,
                       absl::Span<const std::byte> bytes) {
  std::byte expected[512];
  for (size_t done = 0; done < bytes.size(); done += sizeof(expected)) {
    const size_t count = std::min(sizeof(expected), bytes.size() - done);
    FillRow(key, offset + done, absl::MakeSpan(expected, count));
    const auto [theirs, ours] =
        std::mismatch(bytes.begin() + done, bytes.begin() + done + count,
                      static_cast<const std::byte*>(expected));
    const size_t same = theirs - (bytes.begin() + done);
    if (same < count) return done + same;
  }
  return bytes.size();
}

}  // namespace

uint64_t ExpertModel::Key(int layer, int expert, Tensor tensor) const {
  return StableHash()
      .Add(options_.seed)
      .Add(static_cast<uint64_t>(layer))
      .Add(static_cast<uint64_t>(expert))
      .Add(static_cast<uint64_t>(tensor))
      .value();
}

void ExpertModel::FillWeights(int layer, int expert, size_t offset,
                              absl::Span<std::byte> weights) const {
  FillRow(Key(layer, expert, Tensor::kWeights), offset, weights);
}

void ExpertModel::FillScales(int layer, int expert,
                             absl::Span<std::byte> scales) const {
  FillRow(Key(layer, expert, Tensor::kScales), 0, scales);
}

std::string ExpertModel::WhatIsWrong(int layer, int expert,
                                     absl::Span<const std::byte> weights,
                                     absl::Span<const std::byte> scales) const {
  const std::string wrong =
      WhatIsWrongIn(Tensor::kWeights, layer, expert, weights);
  return wrong.empty() ? WhatIsWrongIn(Tensor::kScales, layer, expert, scales)
                       : wrong;
}

std::string ExpertModel::WhatIsWrongIn(
    Tensor tensor, int layer, int expert,
    absl::Span<const std::byte> bytes) const {
  const size_t wrong = FirstDifference(Key(layer, expert, tensor), 0, bytes);
  if (wrong == bytes.size()) return "";
  const absl::string_view name =
      tensor == Tensor::kWeights ? "weights" : "scales";
  return absl::StrCat("byte ", wrong, " of the ", name, " of layer ", layer,
                      " is not expert ", expert, "'s",
                      WhoseInstead(tensor, layer, wrong, bytes.subspan(wrong)));
}

std::string ExpertModel::WhoseInstead(Tensor tensor, int layer, size_t offset,
                                      absl::Span<const std::byte> bytes) const {
  // Fewer bytes could be anybody's.
  const absl::Span<const std::byte> evidence =
      bytes.first(std::min(2 * kWordBytes, bytes.size()));
  if (evidence.size() < kWordBytes) return "";
  for (int expert = 0; expert < num_logical_experts(); ++expert) {
    if (FirstDifference(Key(layer, expert, tensor), offset, evidence) ==
        evidence.size()) {
      return absl::StrCat("; it is expert ", expert, "'s");
    }
  }
  return "";
}

}  // namespace eplb
