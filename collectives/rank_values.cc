#include "collectives/rank_values.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace eplb {

std::string RankList(absl::Span<const int> ranks) {
  std::string list = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t first = 0; first < ranks.size();) {
    size_t last = first;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) {
      ++last;
    }
    absl::StrAppend(&list, first == 0 ? "" : ", ", ranks[first]);
    if (last > first) absl::StrAppend(&list, "-", ranks[last]);
    first = last + 1;
  }
  return list;
}

std::string DescribeRankValues(absl::Span<const std::string> value_of_rank) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (size_t rank = 0; rank < value_of_rank.size(); ++rank) {
    size_t group = 0;
    while (group < groups.size() &&
           groups[group].first != value_of_rank[rank]) {
      ++group;
    }
    if (group == groups.size()) groups.push_back({value_of_rank[rank], {}});
    groups[group].second.push_back(static_cast<int>(rank));
  }
  std::string description;
  for (const auto& [value, ranks] : groups) {
    absl::StrAppend(&description, description.empty() ? "" : "; ", value,
                    " on ", RankList(ranks));
  }
  return description;
}

}  // namespace eplb
