#include "tools/run/run_process.h"

#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/job_secret.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/status_macros.h"
#include "tools/run/listen_flag.h"
#include "tools/run/process_place.h"
#include "tools/run/rendezvous_flag.h"
#include "tools/run/run_options.h"
#include "tools/run/run_rank.h"
#include "tools/run/run_result.h"
#include "tools/run/spawn_ranks.h"
#include "tools/run/stop_signal.h"
#include "tools/run/stoppable_connect.h"

namespace eplb {
namespace {

// After the first rank has ended badly the others have their own timeout to
// notice, and this much more to say so.
constexpr auto kGrace = std::chrono::seconds(10);

absl::StatusOr<std::optional<RunResult>> RunOverGloo(
    RankJob job, GlooJobOptions options, const std::string& rendezvous) {
  StoppableConnect connect(*job.clock, *job.stop);
  EPLB_ASSIGN_OR_RETURN(std::shared_ptr<RendezvousStore> store,
                        OpenRendezvous(rendezvous, connect.clock()));
  options.progress_timeout = job.options->timeout;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<GlooCommunicatorFactory> factory,
                        GlooCommunicatorFactory::Create(
                            options, std::move(store), connect.clock()));
  connect.UseFactory(*factory);
  job.rank = options.rank;
  job.num_ranks = options.num_ranks;
  job.factory = &connect;
  if (job.rank > 0) job.output = nullptr;
  EPLB_ASSIGN_OR_RETURN(std::optional<RunResult> result, RunRank(job));
  return job.rank == 0 ? std::move(result) : std::nullopt;
}

absl::StatusOr<std::string> RandomHex() {
  char bytes[16];
  if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes)) {
    return absl::InternalError("the system gives no random numbers");
  }
  return absl::BytesToHexString(std::string(bytes, sizeof(bytes)));
}

}  // namespace

absl::StatusOr<std::optional<RunResult>> RunPlacedProcess(
    RankJob job, const ProcessPlace& place) {
  const RunOptions& options = *job.options;
  std::unique_ptr<LocalRendezvous> local;
  std::string rendezvous = options.rendezvous;
  if (rendezvous.empty() && place.on_one_machine) {
    EPLB_ASSIGN_OR_RETURN(local, LocalRendezvous::Open(place.job_id));
    rendezvous = local->address();
  }
  if (rendezvous.empty()) {
    return absl::InvalidArgumentError(
        "--rendezvous=URL is missing: where the processes of all machines "
        "meet, file:///DIR or redis://HOST:PORT");
  }
  GlooJobOptions gloo;
  gloo.job_id = place.job_id;
  gloo.rank = place.rank;
  gloo.num_ranks = place.world_size;
  EPLB_ASSIGN_OR_RETURN(const ListenAddress address,
                        ResolveListen(options.listen, options.listen_any));
  gloo.listen_address = address.listen;
  gloo.advertised_address = address.advertised;
  gloo.allow_any_address = options.listen_any;
  EPLB_ASSIGN_OR_RETURN(gloo.secret, JobSecretFromEnvironment());
  return RunOverGloo(job, std::move(gloo), rendezvous);
}

absl::StatusOr<std::optional<RunResult>> RunSpawnedProcesses(RankJob job) {
  GlooJobOptions gloo;
  EPLB_ASSIGN_OR_RETURN(const std::string name, RandomHex());
  EPLB_ASSIGN_OR_RETURN(gloo.secret, RandomHex());
  gloo.job_id = absl::StrCat("spawn-", name);
  gloo.num_ranks = job.num_ranks;
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<LocalRendezvous> rendezvous,
                        LocalRendezvous::Open(gloo.job_id));
  const StopSignal stop;
  EPLB_ASSIGN_OR_RETURN(const std::optional<int> rank,
                        SpawnRanks(job.num_ranks, *job.clock,
                                   job.options->timeout + kGrace, stop));
  if (!rank.has_value()) return std::nullopt;
  gloo.rank = *rank;
  job.stop = &stop;
  return RunOverGloo(job, std::move(gloo), rendezvous->address());
}

}  // namespace eplb
