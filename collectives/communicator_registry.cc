#include "collectives/communicator_registry.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "collectives/channels.h"
#include "collectives/communicator.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// What "auto" chooses from.
constexpr char kThreads[] = "in_process";
constexpr char kProcesses[] = "gloo";
constexpr char kDevices[] = "nccl";

bool IsNameCharacter(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
}

bool Serves(const CommunicatorBackend& backend, MemorySpace space) {
  return std::find(backend.memory.begin(), backend.memory.end(), space) !=
         backend.memory.end();
}

std::string MemoryList(const CommunicatorBackend& backend) {
  return absl::StrJoin(backend.memory, ", ",
                       [](std::string* out, MemorySpace space) {
                         absl::StrAppend(out, MemorySpaceName(space));
                       });
}

absl::Status CheckFits(absl::string_view name,
                       const CommunicatorBackend& backend,
                       const CommunicationNeeds& needs) {
  if (needs.num_processes > 1 && !backend.joins_processes) {
    return absl::InvalidArgumentError(
        absl::StrCat("communicator '", name,
                     "' joins threads of one process, and the job has ",
                     needs.num_processes, " processes"));
  }
  if (!Serves(backend, needs.memory)) {
    return absl::UnimplementedError(
        absl::StrCat("communicator '", name, "' serves ", MemoryList(backend),
                     " memory, not ", MemorySpaceName(needs.memory)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CommunicatorRegistry::Add(
    absl::string_view name, absl::StatusOr<CommunicatorBackend> backend) {
  if (name.empty() || name == kAuto ||
      !std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "communicator name '", name,
        "': names are made of a-z, 0-9 and _, and '", kAuto, "' is none"));
  }
  if (!backends_.emplace(std::string(name), std::move(backend)).second) {
    return absl::AlreadyExistsError(absl::StrCat("a communicator named '", name,
                                                 "' is registered already"));
  }
  return absl::OkStatus();
}

absl::Status CommunicatorRegistry::Register(absl::string_view name,
                                            CommunicatorBackend backend) {
  if ((backend.make_factory == nullptr) == (backend.connect_data == nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("communicator '", name,
                     "': exactly one of make_factory and connect_data is set"));
  }
  return Add(name, std::move(backend));
}

absl::Status CommunicatorRegistry::RegisterUnavailable(absl::string_view name,
                                                       absl::Status reason) {
  if (reason.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("communicator '", name, "': OK is no reason"));
  }
  return Add(name, std::move(reason));
}

std::vector<std::string> CommunicatorRegistry::Names() const {
  std::vector<std::string> names = {kAuto};
  for (const auto& [name, backend] : backends_) {
    if (backend.ok()) names.push_back(name);
  }
  return names;
}

absl::StatusOr<const CommunicatorBackend*> CommunicatorRegistry::Find(
    absl::string_view name) const {
  const auto found = backends_.find(std::string(name));
  if (found == backends_.end()) {
    return absl::NotFoundError(
        absl::StrCat("no communicator is named '", name,
                     "'; there are: ", absl::StrJoin(Names(), ", ")));
  }
  const absl::Status& status = found->second.status();
  if (!status.ok()) {
    return absl::Status(
        status.code(),
        absl::StrCat("communicator '", name, "': ", status.message(),
                     "; there are: ", absl::StrJoin(Names(), ", ")));
  }
  return &*found->second;
}

absl::StatusOr<std::string> CommunicatorRegistry::ChooseData(
    const std::string& control, const CommunicationNeeds& needs) const {
  EPLB_ASSIGN_OR_RETURN(const CommunicatorBackend* backend, Find(control));
  if (Serves(*backend, needs.memory)) return control;
  const absl::StatusOr<const CommunicatorBackend*> devices = Find(kDevices);
  if (devices.ok()) return kDevices;
  return absl::Status(
      devices.status().code(),
      absl::StrCat("communicator '", kAuto, "' for ",
                   MemorySpaceName(needs.memory), " memory: '", control,
                   "' serves ", MemoryList(*backend), " memory, and ",
                   devices.status().message()));
}

absl::StatusOr<std::unique_ptr<ChannelFactory>> CommunicatorRegistry::Make(
    absl::string_view name, const CommunicationNeeds& needs) const {
  const std::string usual = needs.num_processes > 1 ? kProcesses : kThreads;
  std::string data_name(name);
  if (name == kAuto) {
    EPLB_ASSIGN_OR_RETURN(data_name, ChooseData(usual, needs));
  }
  EPLB_ASSIGN_OR_RETURN(const CommunicatorBackend* data, Find(data_name));
  EPLB_RETURN_IF_ERROR(CheckFits(data_name, *data, needs));
  if (data->make_factory != nullptr) {
    EPLB_ASSIGN_OR_RETURN(std::unique_ptr<CommunicatorFactory> factory,
                          data->make_factory());
    return std::make_unique<ChannelFactory>(data_name, std::move(factory));
  }
  EPLB_ASSIGN_OR_RETURN(const CommunicatorBackend* control, Find(usual));
  if (control->make_factory == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "communicator '", usual, "' cannot carry the control channel of '",
        data_name, "': it needs one itself"));
  }
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<CommunicatorFactory> factory,
                        control->make_factory());
  return std::make_unique<ChannelFactory>(usual, std::move(factory), data_name,
                                          data->connect_data);
}

}  // namespace eplb
