// Group: the ranks that a state balances over, and this rank's channels to
// them.
//
//   EPLB_RETURN_IF_ERROR(group.Begin(forward_id));  // All ranks are here.
//   EPLB_RETURN_IF_ERROR(group.AllReduceSum(loads));
//   EPLB_RETURN_IF_ERROR(group.AgreeOn(status));  // The same branch for all.
//
// The channels are clones, named after the state, of communicators that stay
// their owner's: several states of one process do not disturb each other. After
// a failure the next Begin connects them anew, in a new epoch.

#ifndef EPLB_STATE_GROUP_H_
#define EPLB_STATE_GROUP_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "eplb/core/clock.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/weight_shuffler.h"

namespace eplb {

// Which ranks of the job make up a group, and in which epoch they connect.
struct GroupMembers {
  uint64_t epoch = 1;
  // Ranks of the job, rising; the position is the rank in the group.
  std::vector<int> ranks_of_job;
};

struct GroupOptions {
  // Tells states of one process apart; the same on all ranks.
  std::string name = "eplb";
  // Connect the members again after a failure or a resize; null: cannot be
  // done. A factory of its own: the state takes epochs as it needs them, each
  // later than the one of its members.
  CommunicatorFactory* control_factory = nullptr;
  CommunicatorFactory* data_factory = nullptr;  // Null: as control.
  // The node of each rank of the job; empty: all on one.
  std::vector<int> node_of_job_rank;
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
  Clock* clock = nullptr;
};

// Thread-compatible.
class Group {
 public:
  // Clones the channels from `control` and `data` (null: `control`), which are
  // borrowed for the call. All members call.
  static absl::StatusOr<std::unique_ptr<Group>> Create(
      GroupOptions options, GroupMembers members, Communicator& control,
      Communicator* data, ConfigurationFields configuration);

  // InvalidArgument for members that no group can have.
  absl::Status CheckMembers(const GroupMembers& members) const;

  // The group is that of other members, of whom this process is `rank`; the
  // next Begin connects them. What the headers say about this rank begins from
  // nothing, as on a new one. CheckMembers was OK.
  void SetMembers(GroupMembers members, int rank);

  // The same, and connects them at once, by the factory.
  absl::Status Connect(GroupMembers members, int rank);

  // As Create, for other members: the group goes on with channels from these.
  absl::Status Adopt(GroupMembers members, Communicator& control,
                     Communicator* data);

  // Connects the present members anew, for an owner that numbers its attempts
  // itself, from 1, and never calls Begin.
  absl::Status ConnectAttempt(uint64_t attempt, SteadyTime deadline);

  // What the present epoch's channels were cloned from; null when they are not
  // the group's own.
  Communicator* base_control() const { return base_control_.get(); }
  Communicator* base_data() const { return base_data_.get(); }

  // Gathers all ranks, at the same forward id, before they do something
  // together. Every rank calls as often as the others: which epoch comes next
  // follows from that.
  absl::Status Begin(int64_t forward_id);

  // Connects anew after a failure inside what Begin began.
  absl::Status Reconnect();

  // Called for the result of everything done together, which it returns.
  absl::Status Note(absl::Status status);

  // Whether something done together has gone wrong since the ranks connected.
  bool has_failed() const { return has_failed_; }

  // OK when `mine` is on all ranks. Otherwise an error on all: this rank's
  // own, else that of the first rank that has one, with its name.
  absl::Status AgreeOn(absl::Status mine);

  // Operations of the control channel, in the state that Begin left.
  absl::Status Barrier();
  absl::Status AllReduceSum(absl::Span<int64_t> values);
  absl::Status Broadcast(Buffer data, int root);

  // FailedPrecondition, on all ranks, unless all have the same model and its
  // weights are laid out in the same way.
  absl::Status CompareModel(uint64_t model, uint64_t layout);

  // What all ranks must hold alike from now on.
  void set_configuration(ConfigurationFields configuration);

  // The step that the ranks are at, between two calls of Begin.
  void set_forward_id(int64_t forward_id) {
    context_.forward_id = static_cast<uint64_t>(forward_id);
  }

  // Sets what the headers say about placements and weights.
  void set_hashes(uint64_t installed, uint64_t planned, uint64_t layout);

  const GroupMembers& members() const { return members_; }
  bool is_connected() const { return channels_.control != nullptr; }
  int rank() const { return rank_; }
  int size() const { return topology_.num_ranks(); }
  const Topology& topology() const { return topology_; }
  const ShuffleChannels& channels() const { return channels_; }
  SteadyTime Deadline() const {
    return options_.clock->Now() + options_.timeout;
  }
  Clock& clock() const { return *options_.clock; }
  uint64_t epoch() const { return epoch_; }
  bool can_connect() const { return options_.control_factory != nullptr; }

 private:
  explicit Group(GroupOptions options) : options_(std::move(options)) {}

  absl::StatusOr<Topology> TopologyOf(const GroupMembers& members) const;
  // The configuration, and the nodes: who sends what depends on them.
  ConfigurationFields ComparedFields() const;
  absl::Status OpenChannels(Communicator& control, Communicator* data,
                            SteadyTime deadline);
  absl::Status ConnectAt(uint64_t epoch) {
    return ConnectAt(epoch, Deadline());
  }
  absl::Status ConnectAt(uint64_t epoch, SteadyTime deadline);
  absl::Status NotConnected() const;
  // The control channel, ready to be used; an error when there is none.
  absl::StatusOr<CheckedCommunicator*> Control();

  GroupOptions options_;
  GroupMembers members_;
  Topology topology_ = *Topology::Uniform(1);
  ConfigurationFields configuration_;
  CheckContext context_;
  uint64_t epoch_ = 0;
  // How often Begin was called for these members.
  uint64_t num_begins_ = 0;
  bool has_failed_ = false;

  // Those that the factory made for the present epoch.
  std::unique_ptr<Communicator> base_control_;
  std::unique_ptr<Communicator> base_data_;
  // None while there is no connection.
  ShuffleChannels channels_;
  int rank_ = 0;
};

}  // namespace eplb

#endif  // EPLB_STATE_GROUP_H_
