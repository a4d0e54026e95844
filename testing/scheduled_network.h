// ScheduledNetwork: communicators between simulated processes whose threads a
// SeededScheduler runs. Messages take a time drawn from the seed, processes
// die, and links stall, so that a rank can see an operation complete that
// another one gives up on: what real networks do on bad days.
//
//   SeededScheduler scheduler(seed);
//   ScheduledNetwork network(scheduler, {.num_processes = 3});
//   scheduler.Spawn("rank 0", [&] {
//     auto communicator = network.FactoryOfProcess(0)->Connect(
//         /*epoch=*/1, {0, 1, 2}, deadline);
//     ...
//   });
//   scheduler.Spawn("accident", [&] { network.Kill(2); });
//   scheduler.Run();

#ifndef EPLB_TESTING_SCHEDULED_NETWORK_H_
#define EPLB_TESTING_SCHEDULED_NETWORK_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"
#include "testing/seeded_scheduler.h"

namespace eplb {

struct ScheduledNetworkOptions {
  int num_processes = 1;
  // A message arrives after a time below this.
  std::chrono::nanoseconds longest_delay = std::chrono::microseconds(500);
  // One message in so many is stalled by `stall`, and so are those behind it
  // on its link. 0: none.
  int64_t one_stall_in = 0;
  std::chrono::nanoseconds stall = std::chrono::hours(1);
};

// Used by the threads of its scheduler only, which run one at a time. Outlives
// its factories and communicators.
class ScheduledNetwork {
 public:
  ScheduledNetwork(SeededScheduler& scheduler, ScheduledNetworkOptions options)
      : scheduler_(scheduler), options_(options), is_dead_(num_processes()) {}

  int num_processes() const { return options_.num_processes; }

  std::unique_ptr<CommunicatorFactory> FactoryOfProcess(int process);

  // The process says nothing any more; all its calls fail with Cancelled, the
  // pending ones too. What it has sent still arrives. Others are not told.
  void Kill(int process) { is_dead_[process] = true; }
  bool is_dead(int process) const { return is_dead_[process]; }

 private:
  friend class ScheduledCommunicator;
  friend class ScheduledFactory;

  // Between two processes in one channel: an epoch and the names of clones.
  struct Link {
    std::string channel;
    int source = 0;
    int destination = 0;

    friend bool operator<(const Link& a, const Link& b) {
      return std::tie(a.channel, a.source, a.destination) <
             std::tie(b.channel, b.source, b.destination);
    }
  };
  struct Message {
    SteadyTime arrival;
    Operation operation = Operation::kBarrier;
    std::string bytes;
    absl::Status failure;  // In place of an operation: the source gave up.
  };

  void Send(const Link& link, Operation operation, std::string bytes);
  void SendFailure(const Link& link, absl::Status reason);
  void Post(const Link& link, Message message);
  // The message number `sequence` of the link; nullptr while it is under way.
  const Message* Arrived(const Link& link, int64_t sequence) const;
  // Why the source gave up instead of sending message number `sequence`, when
  // that has arrived; else OK.
  absl::Status ArrivedFailure(const Link& link, int64_t sequence) const;

  SeededScheduler& scheduler_;
  const ScheduledNetworkOptions options_;
  std::vector<bool> is_dead_;
  std::map<Link, std::vector<Message>> messages_;
};

}  // namespace eplb

#endif  // EPLB_TESTING_SCHEDULED_NETWORK_H_
