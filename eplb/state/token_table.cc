#include "eplb/state/token_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"

namespace eplb {
namespace {

// How many experts are named at each end.
constexpr size_t kNumNamedExperts = 5;

// Backgrounds of a terminal with 256 colours, from cool to hot.
constexpr std::array<int, 6> kHeat = {17, 23, 58, 94, 130, 160};

std::vector<TokenTable::Rank> ContentsOfRanks(const Placement& placement,
                                              const Topology& topology) {
  std::vector<TokenTable::Rank> ranks(topology.num_ranks());
  const int slots_per_rank = placement.num_slots() / topology.num_ranks();
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int slot = 0; slot < placement.num_slots(); ++slot) {
      const int32_t expert = placement.expert_of_slot(layer, slot);
      if (expert == Placement::kEmptySlot) continue;
      TokenTable::Rank& rank = ranks[slot / slots_per_rank];
      ++rank.experts;
      rank.replicas += placement.num_replicas(layer, expert) > 1;
    }
  }
  return ranks;
}

std::string CellOf(double tokens, double least, double most, bool color) {
  const std::string text = absl::StrFormat("%8.0f", tokens);
  if (!color || most <= least) return text;
  const double heat = (tokens - least) / (most - least);
  const size_t shade =
      std::min(kHeat.size() - 1, static_cast<size_t>(heat * kHeat.size()));
  return absl::StrFormat("\x1b[48;5;%dm%s\x1b[0m", kHeat[shade], text);
}

void AppendExperts(const char* title,
                   const std::vector<TokenTable::Expert>& experts,
                   std::string& text) {
  absl::StrAppend(&text, title);
  for (const TokenTable::Expert& expert : experts) {
    absl::StrAppend(&text, " layer ", expert.layer, " expert ", expert.expert,
                    ": ", expert.tokens, " (x", expert.num_replicas, ")");
  }
  absl::StrAppend(&text, "\n");
}

}  // namespace

TokenTable MakeTokenTable(std::vector<double> rank_tokens,
                          absl::Span<const int64_t> logical_counts,
                          const Placement& placement,
                          const Topology& topology) {
  TokenTable table;
  table.tokens = std::move(rank_tokens);
  table.ranks = ContentsOfRanks(placement, topology);
  const int num_experts = placement.num_logical_experts();
  std::vector<TokenTable::Expert> experts;
  experts.reserve(logical_counts.size());
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (int expert = 0; expert < num_experts; ++expert) {
      const size_t index = static_cast<size_t>(layer) * num_experts + expert;
      experts.push_back({layer, expert, logical_counts[index],
                         placement.num_replicas(layer, expert)});
    }
  }
  const size_t named = std::min(kNumNamedExperts, experts.size());
  // Of equal ones the first in the model: sorting keeps their order.
  std::stable_sort(
      experts.begin(), experts.end(),
      [](const auto& a, const auto& b) { return a.tokens > b.tokens; });
  table.hottest.assign(experts.begin(), experts.begin() + named);
  table.coldest.assign(experts.rbegin(), experts.rbegin() + named);
  return table;
}

std::string FormatTokenTable(const TokenTable& table, bool color) {
  const size_t num_ranks = table.ranks.size();
  std::string text = "   layer";
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    absl::StrAppendFormat(&text, "%8s", absl::StrCat("rank ", rank));
  }
  absl::StrAppend(&text, "\n");
  for (size_t begin = 0; begin < table.tokens.size(); begin += num_ranks) {
    const auto row =
        absl::MakeConstSpan(table.tokens).subspan(begin, num_ranks);
    const auto [least, most] = std::minmax_element(row.begin(), row.end());
    absl::StrAppendFormat(&text, "%8d", begin / num_ranks);
    for (const double tokens : row) {
      absl::StrAppend(&text, CellOf(tokens, *least, *most, color));
    }
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppendFormat(&text, "%8s", "experts");
  for (const TokenTable::Rank& rank : table.ranks) {
    absl::StrAppendFormat(&text, "%8d", rank.experts);
  }
  absl::StrAppendFormat(&text, "\n%8s", "replicas");
  for (const TokenTable::Rank& rank : table.ranks) {
    absl::StrAppendFormat(&text, "%8d", rank.replicas);
  }
  absl::StrAppend(&text, "\n");
  AppendExperts("hottest:", table.hottest, text);
  AppendExperts("coldest:", table.coldest, text);
  return text;
}

}  // namespace eplb
