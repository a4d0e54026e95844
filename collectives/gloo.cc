#include "collectives/gloo.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_arguments.h"
#include "collectives/communicator.h"
#include "collectives/gloo_communicator.h"
#include "collectives/rank_values.h"
#include "collectives/rendezvous/peer_mesh.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Looks into the store are this far apart, at first and at last.
constexpr auto kFirstPause = std::chrono::milliseconds(1);
constexpr auto kLastPause = std::chrono::milliseconds(50);

bool IsKeyCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
         c == '-' || c == '_';
}

absl::Status CheckOptions(const GlooJobOptions& options) {
  if (options.job_id.empty() || options.job_id.size() > 128 ||
      !std::all_of(options.job_id.begin(), options.job_id.end(),
                   IsKeyCharacter)) {
    return absl::InvalidArgumentError(
        absl::StrCat("job_id \"", options.job_id,
                     "\": must be 1 to 128 letters, digits, '.', '-' and '_'"));
  }
  if (options.num_ranks < 1 ||
      options.num_ranks > GlooCommunicatorFactory::kMaxRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_ranks ", options.num_ranks, ": there can be 1 to ",
                     GlooCommunicatorFactory::kMaxRanks));
  }
  if (options.rank < 0 || options.rank >= options.num_ranks) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", options.rank, " is not in [0, ", options.num_ranks, ")"));
  }
  if (options.progress_timeout <= std::chrono::milliseconds(0)) {
    return absl::InvalidArgumentError("progress_timeout must be positive");
  }
  return absl::OkStatus();
}

absl::StatusOr<GlooEndpoint> MakeEndpoint(const GlooJobOptions& options) {
  GlooEndpoint endpoint;
  endpoint.bind_address = options.listen_address;
  endpoint.device = {.listen_address = options.advertised_address.empty()
                                           ? options.listen_address
                                           : options.advertised_address,
                     .ibverbs_device = options.ibverbs_device,
                     .progress_timeout = options.progress_timeout};
  endpoint.strangers = std::make_shared<std::atomic<int64_t>>(0);
  EPLB_ASSIGN_OR_RETURN(const bool listens_on_any,
                        IsAnyAddress(endpoint.bind_address));
  if (listens_on_any && !options.allow_any_address) {
    return absl::InvalidArgumentError(absl::StrCat(
        "listen_address ", endpoint.bind_address,
        " opens a port on every network of the machine; name one address, or "
        "set allow_any_address"));
  }
  EPLB_ASSIGN_OR_RETURN(const bool advertises_any,
                        IsAnyAddress(endpoint.device.listen_address));
  if (advertises_any) {
    return absl::InvalidArgumentError(
        absl::StrCat("advertised_address must be set to one address of this "
                     "machine when listen_address is ",
                     endpoint.bind_address));
  }
  return endpoint;
}

// What a rank leaves in the store.
struct Entry {
  std::string num_ranks;
  std::string members;
  std::string address;
};

std::string EncodeEntry(int num_ranks, absl::Span<const int> members,
                        absl::string_view address) {
  return absl::StrCat("eplb-gloo-1 ", num_ranks, " ",
                      absl::StrJoin(members, ","), " ", address);
}

std::optional<Entry> DecodeEntry(absl::string_view text) {
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  if (words.size() != 4 || words[0] != "eplb-gloo-1") return std::nullopt;
  return Entry{.num_ranks = words[1], .members = words[2], .address = words[3]};
}

}  // namespace

absl::StatusOr<std::unique_ptr<GlooCommunicatorFactory>>
GlooCommunicatorFactory::Create(GlooJobOptions options,
                                std::shared_ptr<RendezvousStore> store,
                                Clock& clock) {
  EPLB_RETURN_IF_ERROR(CheckOptions(options));
  EPLB_ASSIGN_OR_RETURN(GlooEndpoint endpoint, MakeEndpoint(options));
  return absl::WrapUnique(new GlooCommunicatorFactory(
      std::move(options), std::move(store), std::move(endpoint), clock));
}

GlooCommunicatorFactory::GlooCommunicatorFactory(
    GlooJobOptions options, std::shared_ptr<RendezvousStore> store,
    GlooEndpoint endpoint, Clock& clock)
    : options_(std::move(options)),
      store_(std::move(store)),
      endpoint_(std::move(endpoint)),
      clock_(clock) {}

GlooCommunicatorFactory::~GlooCommunicatorFactory() {
  absl::MutexLock lock(&mutex_);
  if (last_key_.empty()) return;
  // Whoever starts the job again under the same name finds the place free.
  store_->Remove(last_key_, clock_.Now() + std::chrono::seconds(1))
      .IgnoreError();
}

std::string GlooCommunicatorFactory::KeyOf(uint64_t epoch, int rank) const {
  return absl::StrCat(options_.job_id, ".e", epoch, ".r", rank);
}

absl::Status GlooCommunicatorFactory::BeginEpoch(
    uint64_t epoch, absl::Span<const int> members) {
  absl::MutexLock lock(&mutex_);
  EPLB_RETURN_IF_ERROR(CheckConnect(options_.rank, options_.num_ranks, epoch,
                                    last_epoch_, members));
  last_epoch_ = epoch;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Communicator>> GlooCommunicatorFactory::Connect(
    uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) {
  EPLB_RETURN_IF_ERROR(BeginEpoch(epoch, members));
  std::string name = absl::StrCat("gloo, epoch ", epoch);
  const auto connect = [&]() -> absl::StatusOr<std::unique_ptr<Communicator>> {
    EPLB_ASSIGN_OR_RETURN(const Socket listener,
                          ListenOn(endpoint_.bind_address));
    EPLB_ASSIGN_OR_RETURN(const int port, LocalPort(listener));
    EPLB_RETURN_IF_ERROR(Announce(
        epoch, members, JoinHostPort(endpoint_.device.listen_address, port),
        deadline));
    EPLB_ASSIGN_OR_RETURN(const std::vector<std::string> addresses,
                          FindMembers(epoch, members, deadline));
    const auto own =
        std::lower_bound(members.begin(), members.end(), options_.rank);
    const PeerGroup group = {
        .name = absl::StrCat(options_.job_id, ":", absl::StrJoin(members, ",")),
        .epoch = epoch,
        .rank = static_cast<int>(own - members.begin()),
        .num_ranks = static_cast<int>(members.size()),
        .secret = options_.secret};
    return GlooCommunicator::Connect(name, group, endpoint_, listener,
                                     addresses, clock_, deadline);
  };
  absl::StatusOr<std::unique_ptr<Communicator>> communicator = connect();
  if (communicator.ok()) return communicator;
  return absl::Status(
      communicator.status().code(),
      absl::StrCat("Connect on ", name, ": ", communicator.status().message()));
}

absl::Status GlooCommunicatorFactory::Announce(uint64_t epoch,
                                               absl::Span<const int> members,
                                               const std::string& address,
                                               SteadyTime deadline) {
  const std::string key = KeyOf(epoch, options_.rank);
  const absl::Status status = store_->Put(
      key, EncodeEntry(options_.num_ranks, members, address), deadline);
  if (absl::IsAlreadyExists(status)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "rank ", options_.rank, " of job ", options_.job_id,
        " is there already: another process has the same rank, or the job id "
        "was used before (",
        status.message(), ")"));
  }
  EPLB_RETURN_IF_ERROR(status);
  absl::MutexLock lock(&mutex_);
  if (!last_key_.empty()) {
    store_->Remove(last_key_, deadline).IgnoreError();
  }
  last_key_ = key;
  return absl::OkStatus();
}

absl::StatusOr<std::string> GlooCommunicatorFactory::AddressIn(
    absl::string_view text, uint64_t epoch, int rank,
    absl::Span<const int> members) const {
  const std::optional<Entry> entry = DecodeEntry(text);
  if (!entry.has_value()) {
    return absl::DataLossError(absl::StrCat(
        "rank ", rank, ": what ", store_->ToString(), " holds under ",
        KeyOf(epoch, rank), " is no rank's entry"));
  }
  if (entry->num_ranks != absl::StrCat(options_.num_ranks)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " is of a job of ", entry->num_ranks, " ranks, rank ",
        options_.rank, " of one of ", options_.num_ranks));
  }
  if (entry->members != absl::StrJoin(members, ",")) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the ranks name different members: ", entry->members, " by rank ", rank,
        "; ", absl::StrJoin(members, ","), " by rank ", options_.rank));
  }
  return entry->address;
}

absl::StatusOr<std::vector<std::string>> GlooCommunicatorFactory::FindMembers(
    uint64_t epoch, absl::Span<const int> members, SteadyTime deadline) {
  std::vector<std::string> addresses(members.size());
  const auto missing_ranks = [&] {
    std::vector<int> missing;
    for (size_t i = 0; i < members.size(); ++i) {
      if (addresses[i].empty()) missing.push_back(members[i]);
    }
    return missing;
  };
  absl::Mutex mutex;
  absl::CondVar never;
  auto pause = kFirstPause;
  std::vector<int> missing = missing_ranks();
  while (true) {
    absl::Status status = LookUp(epoch, missing, members, addresses, deadline);
    missing = missing_ranks();
    const SteadyTime now = clock_.Now();
    if (status.ok() && missing.empty()) return addresses;
    if (status.ok() ? now >= deadline : absl::IsDeadlineExceeded(status)) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the deadline passed while waiting for ", RankList(missing),
          " to appear in ", store_->ToString()));
    }
    EPLB_RETURN_IF_ERROR(status);
    absl::MutexLock lock(&mutex);
    clock_.WaitUntil(never, mutex, std::min(deadline, now + pause));
    pause = std::min(2 * pause, kLastPause);
  }
}

absl::Status GlooCommunicatorFactory::LookUp(
    uint64_t epoch, absl::Span<const int> ranks, absl::Span<const int> members,
    std::vector<std::string>& addresses, SteadyTime deadline) {
  std::vector<std::string> keys;
  for (const int rank : ranks) keys.push_back(KeyOf(epoch, rank));
  EPLB_ASSIGN_OR_RETURN(const auto texts, store_->GetAll(keys, deadline));
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (!texts[i].has_value()) continue;
    EPLB_ASSIGN_OR_RETURN(std::string address,
                          AddressIn(*texts[i], epoch, ranks[i], members));
    const auto place =
        std::lower_bound(members.begin(), members.end(), ranks[i]);
    addresses[place - members.begin()] = std::move(address);
  }
  return absl::OkStatus();
}

}  // namespace eplb
