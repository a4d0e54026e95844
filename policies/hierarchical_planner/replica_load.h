#ifndef EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICA_LOAD_H_
#define EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICA_LOAD_H_

#include <bit>
#include <cstdint>

namespace eplb {

// The load of one replica is load / count. Planners must order such ratios
// exactly, or two machines could break a near tie differently. A *replica load
// key* is an unsigned integer that orders them: a larger ratio has a larger key
// and equal ratios have equal keys.

// Key by double division: the bits of a double >= 0, read as an integer, rise
// with it. Only where DoublesOrderReplicaLoads() holds.
struct DoubleReplicaLoad {
  using Key = uint64_t;
  static Key KeyOf(int64_t load, int32_t count) {
    return std::bit_cast<uint64_t>(static_cast<double>(load) /
                                   static_cast<double>(count));
  }
};

// Whether double division keeps all load / count apart, for loads up to
// `max_load` and counts up to `max_count`. Two unequal ratios a/b > c/d differ
// by at least 1/(b*d), that is by the fraction 1/(b*c) of the smaller; where
// b * c < 2^52 that is more than a unit in the last place, and no two of them
// round to the same double. (With 2^53 some do: (2047 * 2^31 + 2046) / 2047 and
// (2046 * 2^31 + 2045) / 2046.)
inline bool DoublesOrderReplicaLoads(int64_t max_load, int64_t max_count) {
  return max_load < (int64_t{1} << 52) / max_count;
}

// Key for every load up to 2^53 and every count: the ratio in fixed point with
// 62 fractional bits, which fits into 128. Unequal ratios differ by at least
// 1/(b*d) > 2^-62, so they do not round down to the same multiple of 2^-62.
struct ExactReplicaLoad {
  __extension__ using Key = unsigned __int128;
  static Key KeyOf(int64_t load, int32_t count) {
    return (static_cast<Key>(load) << 62) / count;
  }
};

}  // namespace eplb

#endif  // EPLB_POLICIES_HIERARCHICAL_PLANNER_REPLICA_LOAD_H_
