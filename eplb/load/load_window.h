// LoadWindow: the loads of the last steps of this rank, per logical expert.
//
//   EPLB_ASSIGN_OR_RETURN(
//       LoadWindow window,
//       LoadWindow::Create({.num_layers = 58, .num_logical_experts = 256,
//                           .window_size = 1000}));
//   for (int layer = 0; layer < 58; ++layer) {
//     window.SetLayer(layer, logical_counts);
//   }
//   window.Advance();
//   window.Sums();  // What the steps in the window add up to.
//
// Counts are logical, so that a placement which changes inside the window
// changes nothing about them. Sums run along: asking for them costs layers x
// experts, however long the window is.

#ifndef EPLB_LOAD_LOAD_WINDOW_H_
#define EPLB_LOAD_LOAD_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

struct LoadWindowOptions {
  int num_layers = 0;
  int num_logical_experts = 0;
  int window_size = 1000;
  // How much less a step counts than the one after it; 1 for not at all.
  double decay = 1.0;
};

// Takes 4 bytes per step, layer and expert, and 8 per layer and expert.
// Thread-compatible.
class LoadWindow {
 public:
  // InvalidArgument unless sizes are at least 1, `decay` is in (0, 1] and the
  // ring has no more than kMaxTableEntries (eplb/core/model_shape.h).
  static absl::StatusOr<LoadWindow> Create(const LoadWindowOptions& options);

  // The counts of one layer in the coming step: no less than 0, one per logical
  // expert. Once for each layer, in any order.
  void SetLayer(int layer, absl::Span<const int32_t> counts);

  // The step is complete.
  void Advance();

  // The sums over the window, [layers, logical experts] row-major. With a
  // decay, rounded to whole numbers.
  std::vector<int64_t> Sums() const;

  // The same, into `sums`.
  void CopySums(absl::Span<int64_t> sums) const;

  // Steps that count: window_size() at most.
  int num_steps() const { return num_steps_; }
  int window_size() const { return options_.window_size; }

 private:
  explicit LoadWindow(const LoadWindowOptions& options);

  size_t row_size() const {
    return static_cast<size_t>(options_.num_layers) *
           static_cast<size_t>(options_.num_logical_experts);
  }
  // What the coming step overwrites.
  int32_t* RingRow(int layer) {
    return &ring_[position_ * row_size() +
                  static_cast<size_t>(layer) * options_.num_logical_experts];
  }
  void SetDecayedLayer(size_t begin, int32_t* row,
                       absl::Span<const int32_t> counts);

  LoadWindowOptions options_;
  // What is left of a step when it leaves the window: decay ^ window_size.
  double remainder_;
  std::vector<int32_t> ring_;  // [window_size, layers, logical experts]
  size_t position_ = 0;
  int num_steps_ = 0;
  std::vector<int64_t> sums_;         // Without a decay.
  std::vector<double> decayed_sums_;  // With one.
};

}  // namespace eplb

#endif  // EPLB_LOAD_LOAD_WINDOW_H_
