// The backends of //benchmarks:collectives, each with what it is measured
// against.

#ifndef EPLB_BENCHMARKS_COLLECTIVES_BACKENDS_H_
#define EPLB_BENCHMARKS_COLLECTIVES_BACKENDS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/collectives_yardsticks.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"

namespace eplb {

// What ranks run over. The factories are needed until all have connected.
struct CollectivesBackend {
  std::string name;
  bool is_checked = false;
  std::function<std::vector<std::shared_ptr<CommunicatorFactory>>(int num_ranks,
                                                                  Clock& clock)>
      make_factories;
  std::function<std::vector<BarrierYardstick>(int num_ranks)>
      barrier_yardsticks;
  std::function<std::vector<TransferYardstick>(bool both_ways)>
      transfer_yardsticks;
  std::vector<int> barrier_ranks;
  // Operations in an iteration, at most: latencies are far apart.
  size_t max_rounds = 0;
};

CollectivesBackend InProcessBackend();
CollectivesBackend GlooBackend();
CollectivesBackend CheckedBackend(CollectivesBackend backend);

}  // namespace eplb

#endif  // EPLB_BENCHMARKS_COLLECTIVES_BACKENDS_H_
