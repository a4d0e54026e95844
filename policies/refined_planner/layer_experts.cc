#include "policies/refined_planner/layer_experts.h"

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eplb {

void LayerExperts::Assign(absl::Span<const int64_t> loads) {
  load_.resize(loads.size());
  total_load_ = 0.0;
  for (size_t expert = 0; expert < loads.size(); ++expert) {
    load_[expert] = static_cast<double>(loads[expert]);
    total_load_ += load_[expert];
  }
  by_falling_load_ = falling_load_order_.Sort(loads);
}

}  // namespace eplb
