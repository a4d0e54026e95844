#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_OVERLOAD_PENALTY_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_OVERLOAD_PENALTY_H_

#include <algorithm>

namespace eplb {

// What the load of ranks and replicas costs while a layer is being balanced.
// Loads are in units of the mean rank load, so 1 is perfect.
//
// Four terms, each with its own purpose:
//  - `overload_step` for every rank above the limit: a move that brings one
//    rank below the limit is worth more than the same relief spread over
//    several ranks that stay above it, because each of those needs another
//    move;
//  - the excess over the limit, which leads towards the limit;
//  - `spread` times the squared distance from the mean, which keeps slack on
//    the ranks that have just been relieved;
//  - `replica_weight` times the squared load of every replica: heavy replicas
//    unbalance their ranks most when loads drift on. Without it more
//    redundant slots stay with experts that were hot long ago, which costs
//    more moves in later plans.
struct RankOverloadPenalty {
  double limit = 1.0;
  double overload_step = 0.1;
  double spread = 1.0;
  double replica_weight = 0.3;

  // Of a rank, without its replicas.
  double Of(double load) const {
    // Multiplied, not chosen: which side of the limit is hard to predict.
    return ConvexPartOf(load) +
           overload_step * static_cast<double>(load > limit);
  }

  // Without the step. For two ranks whose loads have a fixed sum, twice its
  // value at their mean bounds the penalty of both from below.
  double ConvexPartOf(double load) const {
    const double excess = std::max(load - limit, 0.0);
    const double distance = load - 1.0;
    return excess + spread * (distance * distance);
  }

  // Of all replicas of an expert with this load, each with such a weight.
  double OfReplicas(double load, double weight) const {
    return replica_weight * (load * weight);
  }

  // What two ranks that differ by twice `imbalance` cost at least above twice
  // the convex part at their mean.
  double OfImbalance(double imbalance) const {
    return 2 * spread * (imbalance * imbalance);
  }
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_RANK_OVERLOAD_PENALTY_H_
