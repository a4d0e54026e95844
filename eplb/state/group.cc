#include "eplb/state/group.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "eplb/core/clock.h"
#include "eplb/core/stable_hash.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"

namespace eplb {
namespace {

// What a rank tells the others of its error.
constexpr size_t kMaxReasonBytes = 480;

// The node of each rank, as ranks compare and report it: "8 x 0, 8 x 1".
std::string DescribeNodes(const Topology& topology) {
  constexpr size_t kMaxBytes = 4096;
  std::string nodes;
  for (int rank = 0, end; rank < topology.num_ranks(); rank = end) {
    const int node = topology.node_of_rank(rank);
    end = rank;
    while (end < topology.num_ranks() && topology.node_of_rank(end) == node) {
      ++end;
    }
    absl::StrAppend(&nodes, rank == 0 ? "" : ", ", end - rank, " x ", node);
  }
  if (nodes.size() <= kMaxBytes) return nodes;
  return absl::StrCat("hash ", StableHash().Add(nodes).value());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Group>> Group::Create(
    GroupOptions options, GroupMembers members, Communicator& control,
    Communicator* data, ConfigurationFields configuration) {
  if (members.ranks_of_job.empty()) {
    for (int rank = 0; rank < control.size(); ++rank) {
      members.ranks_of_job.push_back(rank);
    }
  }
  if (static_cast<int>(members.ranks_of_job.size()) != control.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        members.ranks_of_job.size(), " members for a control communicator of ",
        control.size(), " ranks"));
  }
  auto group = std::unique_ptr<Group>(new Group(std::move(options)));
  EPLB_ASSIGN_OR_RETURN(group->topology_, group->TopologyOf(members));
  group->epoch_ = members.epoch;
  group->members_ = std::move(members);
  group->configuration_ = std::move(configuration);
  group->context_.state = StableHash().Add(group->options_.name).value();
  EPLB_RETURN_IF_ERROR(group->OpenChannels(control, data, group->Deadline()));
  return group;
}

absl::StatusOr<Topology> Group::TopologyOf(const GroupMembers& members) const {
  // Nodes that have no member are left out, and the others numbered anew.
  std::map<int, int> number_of_node;
  std::vector<int> node_of_rank;
  for (const int job_rank : members.ranks_of_job) {
    int node = 0;
    if (!options_.node_of_job_rank.empty()) {
      if (job_rank < 0 ||
          job_rank >= static_cast<int>(options_.node_of_job_rank.size())) {
        return absl::InvalidArgumentError(absl::StrCat(
            "member ", job_rank, " of the job: nodes are known of ranks 0 to ",
            options_.node_of_job_rank.size() - 1));
      }
      node = options_.node_of_job_rank[job_rank];
    }
    const int next = static_cast<int>(number_of_node.size());
    node_of_rank.push_back(number_of_node.emplace(node, next).first->second);
  }
  return Topology::Create(std::move(node_of_rank));
}

absl::Status Group::OpenChannels(Communicator& control, Communicator* data,
                                 SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<Communicator> control_clone,
      control.Clone(absl::StrCat(options_.name, "/control"), deadline));
  auto checked =
      std::make_shared<CheckedCommunicator>(std::move(control_clone));
  context_.epoch = epoch_;
  // What a failure left may differ until the new epoch has settled it, and so
  // may how far each rank got with saying what it holds.
  context_.installed_placement_hash = 0;
  context_.planned_placement_hash = 0;
  context_.weight_layout_hash = 0;
  checked->context() = context_;
  checked->set_configuration(ComparedFields());
  // Compares what the ranks hold, before there is anything to lose.
  EPLB_RETURN_IF_ERROR(checked->Barrier(deadline));
  Communicator& data_base = data == nullptr ? control : *data;
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<Communicator> data_clone,
      data_base.Clone(absl::StrCat(options_.name, "/data"), deadline));
  // Not every transport sees for itself that messages pair.
  EPLB_ASSIGN_OR_RETURN(
      std::unique_ptr<Communicator> header_clone,
      control.Clone(absl::StrCat(options_.name, "/data_headers"), deadline));
  auto checked_data = std::make_shared<CheckedCommunicator>(
      std::move(data_clone), std::move(header_clone));
  checked_data->context().epoch = epoch_;
  checked_data->context().state = context_.state;
  rank_ = checked->rank();
  channels_ = {std::move(checked), std::move(checked_data)};
  return absl::OkStatus();
}

absl::Status Group::ConnectAt(uint64_t epoch, SteadyTime deadline) {
  if (!can_connect()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.name,
                     ": a new epoch needs a communicator factory, and the "
                     "state was given none"));
  }
  // Before anything else: ranks that wait for this one in the old epoch learn
  // that it has left.
  channels_ = {};
  base_control_.reset();
  base_data_.reset();
  has_failed_ = true;
  epoch_ = epoch;
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> control,
                        options_.control_factory->Connect(
                            epoch, members_.ranks_of_job, deadline));
  std::unique_ptr<Communicator> data;
  if (options_.data_factory != nullptr) {
    // Who comes to an attempt that others have given up learns it here, and
    // does not wait for them in the other group.
    EPLB_RETURN_IF_ERROR(control->Barrier(deadline));
    EPLB_ASSIGN_OR_RETURN(data, options_.data_factory->Connect(
                                    epoch, members_.ranks_of_job, deadline));
  }
  EPLB_RETURN_IF_ERROR(OpenChannels(*control, data.get(), deadline));
  base_control_ = std::move(control);
  base_data_ = std::move(data);
  has_failed_ = false;
  return absl::OkStatus();
}

absl::Status Group::NotConnected() const {
  return absl::UnavailableError(absl::StrCat(
      options_.name, ": not connected to the other ranks since epoch ", epoch_,
      " failed"));
}

absl::Status Group::CheckMembers(const GroupMembers& members) const {
  return TopologyOf(members).status();
}

void Group::SetMembers(GroupMembers members, int rank) {
  topology_ = *TopologyOf(members);
  members_ = std::move(members);
  epoch_ = members_.epoch;
  rank_ = rank;
  num_begins_ = 0;
  context_ = {.state = context_.state};
  channels_ = {};
  base_control_.reset();
  base_data_.reset();
  has_failed_ = true;
}

absl::Status Group::Connect(GroupMembers members, int rank) {
  EPLB_RETURN_IF_ERROR(CheckMembers(members));
  SetMembers(std::move(members), rank);
  return Note(ConnectAt(members_.epoch));
}

absl::Status Group::Adopt(GroupMembers members, Communicator& control,
                          Communicator* data) {
  EPLB_ASSIGN_OR_RETURN(topology_, TopologyOf(members));
  members_ = std::move(members);
  epoch_ = members_.epoch;
  num_begins_ = 0;
  context_ = {.state = context_.state};
  channels_ = {};
  base_control_.reset();
  base_data_.reset();
  return OpenChannels(control, data, Deadline());
}

absl::Status Group::ConnectAttempt(uint64_t attempt, SteadyTime deadline) {
  return ConnectAt(members_.epoch + attempt, deadline);
}

absl::Status Group::Begin(int64_t forward_id) {
  ++num_begins_;
  context_.forward_id = static_cast<uint64_t>(forward_id);
  // Two epochs are for each Begin, so that ranks of which one reconnected
  // inside the last and another did not still go to the same.
  const uint64_t next_epoch = members_.epoch + 2 * num_begins_;
  if (has_failed_ && can_connect()) return Note(ConnectAt(next_epoch));
  EPLB_ASSIGN_OR_RETURN(CheckedCommunicator* const control, Control());
  const absl::Status status = control->Barrier(Deadline());
  // Others have left for a new epoch: a failure that they saw and this rank
  // did not.
  const bool others_left =
      absl::IsUnavailable(status) || absl::IsCancelled(status);
  if (others_left && can_connect()) return Note(ConnectAt(next_epoch));
  return Note(status);
}

absl::Status Group::Reconnect() {
  return Note(ConnectAt(members_.epoch + 2 * num_begins_ + 1));
}

absl::Status Group::Note(absl::Status status) {
  if (!status.ok()) has_failed_ = true;
  return status;
}

absl::Status Group::AgreeOn(absl::Status mine) {
  EPLB_ASSIGN_OR_RETURN(CheckedCommunicator* const control, Control());
  const auto codes =
      control->Agree(static_cast<int64_t>(mine.code()), Deadline());
  if (!codes.ok()) return Note(mine.ok() ? codes.status() : mine);
  const auto first =
      std::find_if(codes->begin(), codes->end(), [](int64_t code) {
        return code != static_cast<int64_t>(absl::StatusCode::kOk);
      });
  if (first == codes->end()) return absl::OkStatus();
  using Reason = std::array<char, kMaxReasonBytes>;
  Reason reason{};
  const size_t length = std::min(mine.message().size(), reason.size());
  std::copy_n(mine.message().data(), length, reason.data());
  std::vector<Reason> reasons(codes->size());
  const absl::Status gathered = control->AllGather(
      {reason.data(), sizeof(Reason)},
      {reasons.data(), reasons.size() * sizeof(Reason)}, Deadline());
  if (!gathered.ok()) return Note(mine.ok() ? gathered : mine);
  if (!mine.ok()) return mine;
  const Reason& text = reasons[first - codes->begin()];
  return absl::Status(
      static_cast<absl::StatusCode>(*first),
      absl::StrCat("rank ", first - codes->begin(), ": ",
                   std::string(text.begin(),
                               std::find(text.begin(), text.end(), '\0'))));
}

absl::StatusOr<CheckedCommunicator*> Group::Control() {
  if (channels_.control == nullptr) return NotConnected();
  // Who moves weights sets the context for its own operations.
  channels_.control->context() = context_;
  return channels_.control.get();
}

absl::Status Group::Barrier() {
  EPLB_ASSIGN_OR_RETURN(CheckedCommunicator* const control, Control());
  return Note(control->Barrier(Deadline()));
}

absl::Status Group::AllReduceSum(absl::Span<int64_t> values) {
  EPLB_ASSIGN_OR_RETURN(CheckedCommunicator* const control, Control());
  return Note(control->AllReduceSum(values, Deadline()));
}

absl::Status Group::Broadcast(Buffer data, int root) {
  EPLB_ASSIGN_OR_RETURN(CheckedCommunicator* const control, Control());
  return Note(control->Broadcast(data, root, Deadline()));
}

absl::Status Group::CompareModel(uint64_t model, uint64_t layout) {
  const CheckContext before = context_;
  context_.model = model;
  context_.weight_layout_hash = layout;
  const absl::Status compared = Barrier();
  context_ = before;
  return compared;
}

void Group::set_configuration(ConfigurationFields configuration) {
  configuration_ = std::move(configuration);
  if (channels_.control == nullptr) return;
  channels_.control->set_configuration(ComparedFields());
}

ConfigurationFields Group::ComparedFields() const {
  const auto nodes =
      ConfigurationFields::Create({{"node_of_rank", DescribeNodes(topology_)}});
  if (!nodes.ok()) return configuration_;
  // The fields of both, one after the other.
  auto all = ConfigurationFields::Parse(
      absl::StrCat(configuration_.bytes(), nodes->bytes()));
  // Fails only where an owner has a field of that name itself.
  return all.ok() ? *std::move(all) : configuration_;
}

void Group::set_hashes(uint64_t installed, uint64_t planned, uint64_t layout) {
  context_.installed_placement_hash = installed;
  context_.planned_placement_hash = planned;
  context_.weight_layout_hash = layout;
  if (channels_.control != nullptr) channels_.control->context() = context_;
}

}  // namespace eplb
