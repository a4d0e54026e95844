#include "eplb/load/load_window.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/model_shape.h"

namespace eplb {
namespace {

// Reads ahead what is long out of every cache: a row of the ring was touched
// window_size steps ago.
void PrefetchForWriting(const int32_t* begin, size_t count) {
  constexpr size_t kPerLine = 64 / sizeof(int32_t);
  for (size_t i = 0; i < count; i += kPerLine) {
    __builtin_prefetch(begin + i, /*rw=*/1);
  }
}

// Takes `row` out of the sums, puts `counts` in, and keeps them as the row.
// Vectors need to know that the three are apart.
void ReplaceRow(const int32_t* __restrict__ counts, size_t num_counts,
                int32_t* __restrict__ row, int64_t* __restrict__ sums) {
  for (size_t i = 0; i < num_counts; ++i) {
    // Both are counts, so that their difference fits.
    sums[i] += counts[i] - row[i];
    row[i] = counts[i];
  }
}

}  // namespace

absl::StatusOr<LoadWindow> LoadWindow::Create(
    const LoadWindowOptions& options) {
  if (options.num_layers < 1 || options.num_logical_experts < 1 ||
      options.window_size < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a load window of ", options.window_size, " steps, ",
        options.num_layers, " layers and ", options.num_logical_experts,
        " logical experts: all must be at least 1"));
  }
  const int64_t row = int64_t{options.num_layers} * options.num_logical_experts;
  if (row > kMaxTableEntries / options.window_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a load window of ", options.window_size, " steps, ",
        options.num_layers, " layers and ", options.num_logical_experts,
        " logical experts has more than ", kMaxTableEntries, " entries"));
  }
  if (!(options.decay > 0 && options.decay <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("load_decay: ", options.decay, " is not in (0, 1]"));
  }
  return LoadWindow(options);
}

LoadWindow::LoadWindow(const LoadWindowOptions& options)
    : options_(options),
      remainder_(std::pow(options.decay, options.window_size)),
      ring_(row_size() * options.window_size) {
  if (options_.decay == 1) {
    sums_.resize(row_size());
  } else {
    decayed_sums_.resize(row_size());
  }
}

void LoadWindow::SetLayer(int layer, absl::Span<const int32_t> counts) {
  const size_t num_experts = options_.num_logical_experts;
  const size_t begin = static_cast<size_t>(layer) * num_experts;
  int32_t* const row = RingRow(layer);
  constexpr int kLayersAhead = 4;
  if (layer + kLayersAhead < options_.num_layers) {
    PrefetchForWriting(row + kLayersAhead * num_experts, num_experts);
  }
  if (options_.decay != 1) return SetDecayedLayer(begin, row, counts);
  ReplaceRow(counts.data(), num_experts, row, &sums_[begin]);
}

void LoadWindow::SetDecayedLayer(size_t begin, int32_t* row,
                                 absl::Span<const int32_t> counts) {
  for (size_t expert = 0; expert < counts.size(); ++expert) {
    double& sum = decayed_sums_[begin + expert];
    // Errors of rounding decay with the sum.
    sum = sum * options_.decay + counts[expert] - remainder_ * row[expert];
    row[expert] = counts[expert];
  }
}

void LoadWindow::Advance() {
  position_ = (position_ + 1) % static_cast<size_t>(options_.window_size);
  num_steps_ = std::min(num_steps_ + 1, options_.window_size);
}

std::vector<int64_t> LoadWindow::Sums() const {
  std::vector<int64_t> sums(row_size());
  CopySums(absl::MakeSpan(sums));
  return sums;
}

void LoadWindow::CopySums(absl::Span<int64_t> sums) const {
  if (options_.decay == 1) {
    std::copy(sums_.begin(), sums_.end(), sums.begin());
    return;
  }
  for (size_t i = 0; i < decayed_sums_.size(); ++i) {
    // Rounding may leave a sum of nothing just below 0.
    sums[i] = std::max<int64_t>(0, std::llround(decayed_sums_[i]));
  }
}

}  // namespace eplb
