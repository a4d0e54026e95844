// What the collectives are measured against: the least that moves bytes
// between two ranks, or lets ranks wait for each other.

#ifndef EPLB_BENCHMARKS_COLLECTIVES_YARDSTICKS_H_
#define EPLB_BENCHMARKS_COLLECTIVES_YARDSTICKS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace eplb {

// A message from rank 0 to rank 1, or one each way.
struct TwoRankTransfer {
  TwoRankTransfer(size_t num_bytes, bool is_both_ways);

  bool Sends(int rank) const { return rank == 0 || both_ways; }
  bool Receives(int rank) const { return rank == 1 || both_ways; }

  // Empty where the rank has no part in it.
  std::vector<std::vector<uint8_t>> sent, received;
  const bool both_ways;
};

struct TransferYardstick {
  std::string name;
  // The part of `rank`, on its thread.
  std::function<void(TwoRankTransfer&, int rank)> run;
};

TransferYardstick MemcpyYardstick();
TransferYardstick BareGlooYardstick();
TransferYardstick BareSocketYardstick();  // One way only.

struct BarrierYardstick {
  std::string name;
  std::function<void(int rank)> run;
};

BarrierYardstick StdBarrierYardstick(int num_ranks);
// A byte each way.
BarrierYardstick GlooPingPongYardstick();
BarrierYardstick SocketPingPongYardstick();

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_COLLECTIVES_YARDSTICKS_H_
