// The experts of one layer and their loads.

#ifndef EPLB_POLICIES_REFINED_PLANNER_LAYER_EXPERTS_H_
#define EPLB_POLICIES_REFINED_PLANNER_LAYER_EXPERTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policies/load_order/avx512.h"
#include "policies/load_order/falling_load_order.h"

namespace eplb {

// Thread-compatible. Keeps its memory from one layer to the next.
class LayerExperts {
 public:
  // Reads the loads of a layer, each in [0, 2^53].
  void Assign(absl::Span<const int64_t> loads);

  int size() const { return static_cast<int>(load_.size()); }
  double load(int expert) const { return load_[expert]; }
  double total_load() const { return total_load_; }

  // Experts from the hottest to the coldest; equal loads by lower index.
  absl::Span<const int32_t> by_falling_load() const { return by_falling_load_; }

 private:
  std::vector<double> load_;
  FallingLoadOrder falling_load_order_{CpuHasAvx512()};
  absl::Span<const int32_t> by_falling_load_;
  double total_load_ = 0.0;
};

}  // namespace eplb

#endif  // EPLB_POLICIES_REFINED_PLANNER_LAYER_EXPERTS_H_
