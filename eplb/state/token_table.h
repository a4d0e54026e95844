// Token tables: made from the counts of a pass, and printed for people.

#ifndef EPLB_STATE_TOKEN_TABLE_H_
#define EPLB_STATE_TOKEN_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {

// `rank_tokens` is [layers, ranks], `logical_counts` [layers, logical experts],
// both row-major.
TokenTable MakeTokenTable(std::vector<double> rank_tokens,
                          absl::Span<const int64_t> logical_counts,
                          const Placement& placement, const Topology& topology);

// Lines of text: tokens per layer and rank, what ranks hold, and the hottest
// and coldest experts. With `color`, the cells of a layer are shaded from its
// least to its most loaded rank, by escape sequences for terminals.
std::string FormatTokenTable(const TokenTable& table, bool color);

}  // namespace eplb

#endif  // EPLB_STATE_TOKEN_TABLE_H_
