#include "collectives/topology_detection.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/communicator.h"
#include "collectives/little_endian.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "eplb/core/topology.h"

namespace eplb {
namespace {

constexpr size_t kLengthBytes = 8;
// What each rank gathers: the length, and the identity filled up with 0.
constexpr size_t kRecordBytes = kLengthBytes + kMaxMachineIdentityBytes;

}  // namespace

std::string MachineIdentity() {
  std::string boot_id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot_id);
  char host_name[256] = {};
  // Leaves room for the 0 that a name cut short comes without.
  gethostname(host_name, sizeof(host_name) - 1);
  return absl::StrCat(boot_id, "/", host_name)
      .substr(0, kMaxMachineIdentityBytes);
}

absl::StatusOr<Topology> DetectTopology(Communicator& communicator,
                                        absl::string_view machine_identity,
                                        SteadyTime deadline) {
  if (machine_identity.size() > kMaxMachineIdentityBytes) {
    // The others would wait for this rank.
    const absl::Status status = absl::InvalidArgumentError(absl::StrCat(
        "the machine identity has ", machine_identity.size(),
        " bytes; at most ", kMaxMachineIdentityBytes, " can be compared"));
    communicator.Abort(status);
    return status;
  }
  std::vector<std::byte> mine(kRecordBytes);
  StoreLittleEndian(machine_identity.size(), kLengthBytes, mine.data());
  std::transform(machine_identity.begin(), machine_identity.end(),
                 mine.begin() + kLengthBytes,
                 [](char c) { return static_cast<std::byte>(c); });
  std::vector<std::byte> all(kRecordBytes * communicator.size());
  EPLB_RETURN_IF_ERROR(communicator.AllGather(
      {mine.data(), mine.size()}, {all.data(), all.size()}, deadline));

  std::vector<std::string> identity_of_node;
  std::vector<int> node_of_rank;
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const std::byte* const record = &all[rank * kRecordBytes];
    const uint64_t length = LoadLittleEndian(record, kLengthBytes);
    if (length > kMaxMachineIdentityBytes) {
      return absl::DataLossError(absl::StrCat(
          "rank ", rank, " announces a machine identity of ", length,
          " bytes; at most ", kMaxMachineIdentityBytes, " are possible"));
    }
    const std::string identity(
        reinterpret_cast<const char*>(record + kLengthBytes), length);
    const auto node =
        std::find(identity_of_node.begin(), identity_of_node.end(), identity);
    node_of_rank.push_back(static_cast<int>(node - identity_of_node.begin()));
    if (node == identity_of_node.end()) identity_of_node.push_back(identity);
  }
  return Topology::Create(std::move(node_of_rank));
}

}  // namespace eplb
