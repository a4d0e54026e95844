// ExpertLoads: how many tokens each logical expert of each layer processed.
//
//   EPLB_ASSIGN_OR_RETURN(
//       ExpertLoads loads,
//       ExpertLoads::Create(/*num_layers=*/2, /*num_logical_experts=*/3,
//                           {5, 0, 7, 1, 1, 1}));
//   loads.layer(0);  // {5, 0, 7}

#ifndef EPLB_CORE_EXPERT_LOADS_H_
#define EPLB_CORE_EXPERT_LOADS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

// Immutable. Copies are independent.
class ExpertLoads {
 public:
  // The largest load of one expert: up to here a double holds every count.
  static constexpr int64_t kMaxLoad = int64_t{1} << 53;

  // `loads` in row-major order [layers, logical experts]. InvalidArgument,
  // naming layer, expert, value and limit, unless every load is in
  // [0, kMaxLoad] and the sum of each layer fits into int64.
  static absl::StatusOr<ExpertLoads> Create(int num_layers,
                                            int num_logical_experts,
                                            std::vector<int64_t> loads);

  int num_layers() const { return static_cast<int>(layer_totals_.size()); }
  int num_logical_experts() const { return num_logical_experts_; }

  absl::Span<const int64_t> layer(int layer) const {
    return absl::MakeConstSpan(loads_).subspan(
        size_t{static_cast<unsigned>(layer)} * num_logical_experts_,
        num_logical_experts_);
  }
  int64_t at(int layer, int expert) const { return this->layer(layer)[expert]; }
  int64_t layer_total(int layer) const { return layer_totals_[layer]; }

  // All loads, row-major.
  absl::Span<const int64_t> values() const { return loads_; }

  friend bool operator==(const ExpertLoads&, const ExpertLoads&) = default;

 private:
  ExpertLoads(int num_logical_experts, std::vector<int64_t> loads,
              std::vector<int64_t> layer_totals);

  int num_logical_experts_;
  std::vector<int64_t> loads_;
  std::vector<int64_t> layer_totals_;
};

}  // namespace eplb

#endif  // EPLB_CORE_EXPERT_LOADS_H_
