#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_SWAP_SEARCH_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_SWAP_SEARCH_H_

#include "policies/incremental_planner/change_search_context.h"

namespace eplb {

// Offers swaps of an expert of an overloaded rank with one of a less loaded
// rank: two moves.
void OfferSwaps(ChangeSearchContext& context);

// Offers swaps of slots that have moved already. Such a slot can be swapped
// again for one more move, or for none when an expert comes home: this is how
// rotations over three and more ranks arise.
void OfferSwapsOfMovedSlots(ChangeSearchContext& context);

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_SWAP_SEARCH_H_
