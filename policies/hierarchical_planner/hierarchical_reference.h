#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_REFERENCE_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_REFERENCE_H_

#include <cstdint>
#include <vector>

#include "policies/hierarchical_planner/hierarchical_layer_planner.h"

namespace eplb {

// The hierarchical algorithm written down as simply as possible, in quadratic
// time. For tests.
std::vector<int32_t> HierarchicalReference(const LayerGrid& grid,
                                           const std::vector<int64_t>& loads);

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_HIERARCHICAL_REFERENCE_H_
