// How messages speak of ranks and of what each of them holds.
//
//   RankList({0, 1, 2, 5});                    // "ranks 0-2, 5"
//   DescribeRankValues({"64", "64", "32"});    // "64 on ranks 0-1; 32 on rank
//                                              //  2"

#ifndef EPLB_COLLECTIVES_RANK_VALUES_H_
#define EPLB_COLLECTIVES_RANK_VALUES_H_

#include <string>

#include "absl/types/span.h"

namespace eplb {

// `ranks`, which rise, with runs shortened.
std::string RankList(absl::Span<const int> ranks);

// Each different value with the ranks that hold it, in the order of the first
// of them. `value_of_rank[r]` is that of rank r.
std::string DescribeRankValues(absl::Span<const std::string> value_of_rank);

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RANK_VALUES_H_
