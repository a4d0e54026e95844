#include "collectives/nccl_rendezvous.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/rank_values.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Travels as it lies in memory: NCCL itself joins machines of one kind only.
struct Record {
  static constexpr uint32_t kMagic = 0x314c434e;  // "NCL1"

  uint32_t magic;
  int32_t version;
  int32_t status_code;
  char status_message[180];
  char device_uuid[64];
  NcclUniqueId id;
};
static_assert(sizeof(Record) == 384);

// Shortened to fit; the rest of `to` is 0.
template <size_t kSize>
void CopyText(absl::string_view text, char (&to)[kSize]) {
  std::fill_n(to, kSize, '\0');
  std::copy_n(text.data(), std::min(text.size(), kSize), to);
}

template <size_t kSize>
std::string TextOf(const char (&from)[kSize]) {
  return std::string(from, std::find(from, from + kSize, '\0'));
}

Record ToRecord(const NcclRankInfo& info) {
  Record record;
  record.magic = Record::kMagic;
  record.version = info.version;
  record.status_code = static_cast<int32_t>(info.status.code());
  CopyText(absl::string_view(info.status.message().data(),
                             info.status.message().size()),
           record.status_message);
  CopyText(info.device_uuid, record.device_uuid);
  record.id = info.id;
  return record;
}

absl::Status CheckAllCanTakePart(absl::Span<const Record> records) {
  for (size_t rank = 0; rank < records.size(); ++rank) {
    const Record& record = records[rank];
    if (record.magic != Record::kMagic) {
      return absl::DataLossError(absl::StrCat(
          "what rank ", rank, " says of itself is no NCCL rendezvous record"));
    }
    if (record.status_code == 0) continue;
    return absl::Status(
        static_cast<absl::StatusCode>(record.status_code),
        absl::StrCat("rank ", rank, ": ", TextOf(record.status_message)));
  }
  return absl::OkStatus();
}

absl::Status CheckVersionsAgree(absl::Span<const Record> records) {
  std::vector<std::string> versions;
  bool all_agree = true;
  for (const Record& record : records) {
    all_agree &= record.version == records[0].version;
    versions.push_back(NcclVersionName(record.version));
  }
  if (all_agree) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the versions of NCCL differ: ", DescribeRankValues(versions)));
}

absl::Status CheckGpusDiffer(absl::Span<const Record> records) {
  if (records[0].version >= kNcclVersionWithSharedGpus) return absl::OkStatus();
  std::map<std::string, std::vector<int>> ranks_of_gpu;
  for (size_t rank = 0; rank < records.size(); ++rank) {
    ranks_of_gpu[TextOf(records[rank].device_uuid)].push_back(rank);
  }
  for (const auto& [gpu, ranks] : ranks_of_gpu) {
    if (ranks.size() == 1) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        RankList(ranks), " have one GPU, ", gpu, ": NCCL ",
        NcclVersionName(records[0].version), " cannot serve that, ",
        NcclVersionName(kNcclVersionWithSharedGpus), " and later can"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string NcclVersionName(int version) {
  // Up to 2.8 the number had one digit less.
  const int unit = version >= 10000 ? 10000 : 1000;
  return absl::StrCat(version / unit, ".", version % unit / 100, ".",
                      version % 100);
}

absl::Status CheckNcclVersion(int version) {
  if (version >= kOldestNcclVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the NCCL library found at run time is ", NcclVersionName(version),
      "; the oldest that can be used is ",
      NcclVersionName(kOldestNcclVersion)));
}

absl::StatusOr<NcclUniqueId> MeetForNccl(Communicator& control,
                                         const NcclRankInfo& mine,
                                         SteadyTime deadline) {
  const Record record = ToRecord(mine);
  std::vector<Record> records(control.size());
  EPLB_RETURN_IF_ERROR(control.AllGather(
      {&record, sizeof(record)},
      {records.data(), records.size() * sizeof(Record)}, deadline));
  EPLB_RETURN_IF_ERROR(CheckAllCanTakePart(records));
  EPLB_RETURN_IF_ERROR(CheckVersionsAgree(records));
  EPLB_RETURN_IF_ERROR(CheckGpusDiffer(records));
  return records[0].id;
}

}  // namespace eplb
