// GlooCommunicatorFactory: ranks that are processes, on one machine or many,
// over Gloo.
//
//   auto store = std::make_shared<DirectoryStore>("/shared/rendezvous");
//   GlooJobOptions options;
//   options.job_id = "run-4711";
//   options.rank = 3;
//   options.num_ranks = 8;
//   EPLB_ASSIGN_OR_RETURN(
//       std::unique_ptr<GlooCommunicatorFactory> factory,
//       GlooCommunicatorFactory::Create(options, store, clock));
//   EPLB_ASSIGN_OR_RETURN(
//       std::unique_ptr<Communicator> communicator,
//       factory->Connect(/*epoch=*/1, {0, 1, 2, 3, 4, 5, 6, 7}, deadline));
//
// Serves host memory. docs/collectives.md says which ports are opened, whom
// they trust, and what deadlines mean.

#ifndef EPLB_COLLECTIVES_GLOO_H_
#define EPLB_COLLECTIVES_GLOO_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/gloo_communicator.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"

namespace eplb {

struct GlooJobOptions {
  // Names the job in the store: letters, digits, '.', '-', '_'. Two jobs, also
  // one after the other, do not share one, so that nobody meets the remains of
  // an earlier job.
  std::string job_id;
  int rank = 0;
  int num_ranks = 1;

  // The address of this machine to listen on. One that stands for all of them
  // (0.0.0.0, ::) is refused unless `allow_any_address`; then
  // `advertised_address` says where the others find this rank, and Gloo's own
  // ports are on that.
  std::string listen_address = "127.0.0.1";
  bool allow_any_address = false;
  std::string advertised_address = {};  // Empty: listen_address.

  // Ranks prove to each other that they know it. Empty for a job whose network
  // is its own.
  std::string secret = {};

  // InfiniBand in the place of TCP for the payload: "mlx5_0".
  std::string ibverbs_device = {};

  // A transfer in which nothing arrives for so long ends, though the deadline
  // of the call may be far.
  std::chrono::milliseconds progress_timeout = std::chrono::seconds(30);
};

// Thread-safe. Its communicators may outlive it, but not the clock.
class GlooCommunicatorFactory final : public CommunicatorFactory {
 public:
  static constexpr int kMaxRanks = 512;

  static absl::StatusOr<std::unique_ptr<GlooCommunicatorFactory>> Create(
      GlooJobOptions options, std::shared_ptr<RendezvousStore> store,
      Clock& clock);

  // Takes this rank's last entry out of the store.
  ~GlooCommunicatorFactory() override;

  // A rank that is in the store already is AlreadyExists; ranks that do not
  // agree on the group are FailedPrecondition on all that see it.
  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override;

  // Connections that were dropped because they were no rank of the job.
  int64_t num_strangers() const { return *endpoint_.strangers; }

 private:
  GlooCommunicatorFactory(GlooJobOptions options,
                          std::shared_ptr<RendezvousStore> store,
                          GlooEndpoint endpoint, Clock& clock);

  absl::Status BeginEpoch(uint64_t epoch, absl::Span<const int> members)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::string KeyOf(uint64_t epoch, int rank) const;
  absl::Status Announce(uint64_t epoch, absl::Span<const int> members,
                        const std::string& address, SteadyTime deadline);
  // The addresses of all members, in their order, once they are in the store.
  absl::StatusOr<std::vector<std::string>> FindMembers(
      uint64_t epoch, absl::Span<const int> members, SteadyTime deadline);
  // Fills in the addresses of those of `ranks` that are in the store.
  absl::Status LookUp(uint64_t epoch, absl::Span<const int> ranks,
                      absl::Span<const int> members,
                      std::vector<std::string>& addresses, SteadyTime deadline);
  // That of `rank` in its entry, which is to be of the same job and members.
  absl::StatusOr<std::string> AddressIn(absl::string_view text, uint64_t epoch,
                                        int rank,
                                        absl::Span<const int> members) const;

  const GlooJobOptions options_;
  const std::shared_ptr<RendezvousStore> store_;
  const GlooEndpoint endpoint_;
  Clock& clock_;
  absl::Mutex mutex_;
  uint64_t last_epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none yet.
  std::string last_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_H_
