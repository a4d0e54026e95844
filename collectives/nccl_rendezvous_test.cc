#include "collectives/nccl_rendezvous.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

NcclRankInfo InfoOf(int rank) {
  NcclRankInfo info;
  info.version = 22809;
  info.device_uuid = absl::StrCat("GPU-", rank);
  info.id.bytes[0] = static_cast<char>('a' + rank);
  return info;
}

// What each rank's MeetForNccl returned.
std::vector<absl::Status> Meet(const std::vector<NcclRankInfo>& infos) {
  SystemClock clock;
  return RunInProcessRanks(
      infos.size(), clock,
      [&](std::unique_ptr<Communicator> control) -> absl::Status {
        const auto id = MeetForNccl(*control, infos[control->rank()],
                                    clock.Now() + std::chrono::seconds(120));
        if (!id.ok()) return id.status();
        EXPECT_EQ(id->bytes[0], 'a');
        return absl::OkStatus();
      });
}

TEST(NcclRendezvousTest, AllGetTheIdOfRank0) {
  EXPECT_THAT(Meet({InfoOf(0), InfoOf(1), InfoOf(2)}), Each(IsOk()));
}

TEST(NcclRendezvousTest, NamesTheRanksWhoseVersionsDiffer) {
  std::vector<NcclRankInfo> infos = {InfoOf(0), InfoOf(1), InfoOf(2)};
  infos[1].version = 22703;
  EXPECT_THAT(Meet(infos),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            AllOf(HasSubstr("2.28.9 on ranks 0, 2"),
                                  HasSubstr("2.27.3 on rank 1")))));
}

TEST(NcclRendezvousTest, ARankThatCannotTakePartTellsAll) {
  std::vector<NcclRankInfo> infos = {InfoOf(0), InfoOf(1), InfoOf(2)};
  infos[2].status = absl::UnavailableError(std::string(500, 'x'));
  EXPECT_THAT(Meet(infos), Each(StatusIs(absl::StatusCode::kUnavailable,
                                         HasSubstr("rank 2: xxx"))));
}

TEST(NcclRendezvousTest, NamesTheRanksThatShareAGpu) {
  std::vector<NcclRankInfo> infos = {InfoOf(0), InfoOf(1), InfoOf(2)};
  infos[2].device_uuid = infos[0].device_uuid;
  EXPECT_THAT(Meet(infos),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            HasSubstr("ranks 0, 2 have one GPU, GPU-0"))));
}

TEST(NcclRendezvousTest, KnowsVersionsOfBothKinds) {
  EXPECT_EQ(NcclVersionName(22809), "2.28.9");
  EXPECT_EQ(NcclVersionName(2804), "2.8.4");
  EPLB_EXPECT_OK(CheckNcclVersion(21400));
  EXPECT_THAT(
      CheckNcclVersion(21399),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2.13.99")));
}

}  // namespace
}  // namespace eplb
