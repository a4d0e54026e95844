// The nccl backend on a real device: one rank, as there may be one device only.

#include "collectives/nccl.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_api_real.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

// Skips, with the reason, on a machine without a device.
class NcclTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status device = api_->DeviceUuid(0).status();
    if (absl::IsUnavailable(device)) {
      GTEST_SKIP() << "no CUDA device: " << device.message();
    }
    EPLB_ASSERT_OK(device);
    const auto group = InProcessGroup::Create(1, clock_);
    factory_ = NewNcclFactory({}, (*group)->FactoryOfRank(0), clock_);
    EPLB_ASSERT_OK_AND_ASSIGN(communicator_, factory_->Connect(1, {0}, Soon()));
    EPLB_ASSERT_OK_AND_ASSIGN(void* const memory, api_->HostAlloc(kBytes));
    bytes_ = static_cast<uint8_t*>(memory);
    std::iota(bytes_, bytes_ + kBytes, uint8_t{0});
  }

  void TearDown() override {
    communicator_ = nullptr;
    if (bytes_ != nullptr) {
      EPLB_EXPECT_OK(api_->HostFree(bytes_));
    }
  }

  SteadyTime Soon() const { return clock_.Now() + std::chrono::seconds(60); }

  static constexpr size_t kBytes = 1 << 16;

  const std::shared_ptr<NcclApi> api_ = RealNcclApi();
  SystemClock clock_;
  std::unique_ptr<CommunicatorFactory> factory_;
  std::unique_ptr<Communicator> communicator_;
  uint8_t* bytes_ = nullptr;  // Pinned.
};

TEST_F(NcclTest, CollectivesOfOneRank) {
  std::vector<int64_t> values = {INT64_MIN, -1, 7};
  EPLB_ASSERT_OK(communicator_->AllReduceSum(absl::MakeSpan(values), Soon()));
  EXPECT_EQ(values, (std::vector<int64_t>{INT64_MIN, -1, 7}));
  EPLB_EXPECT_OK(communicator_->Barrier(Soon()));
  EPLB_EXPECT_OK(communicator_->Broadcast(
      {bytes_, kBytes, MemorySpace::kPinnedHost}, 0, Soon()));
  uint8_t* const second_half = bytes_ + kBytes / 2;
  std::fill(second_half, bytes_ + kBytes, 0xee);
  EPLB_ASSERT_OK(communicator_->AllGather(
      {bytes_, kBytes / 2, MemorySpace::kPinnedHost},
      {second_half, kBytes / 2, MemorySpace::kPinnedHost}, Soon()));
  EXPECT_TRUE(std::equal(bytes_, second_half, second_half));
}

TEST_F(NcclTest, SendsToItself) {
  uint8_t* const second_half = bytes_ + kBytes / 2;
  std::fill(second_half, bytes_ + kBytes, 0xee);
  EPLB_ASSERT_OK(communicator_->Exchange(
      {SendMessage{0, {bytes_, kBytes / 2, MemorySpace::kPinnedHost}}},
      {ReceiveMessage{0, {second_half, kBytes / 2, MemorySpace::kPinnedHost}}},
      Soon()));
  EXPECT_TRUE(std::equal(bytes_, second_half, second_half));
}

// The communicator copies such messages by itself.
TEST_F(NcclTest, NcclSendsToItselfInAGroup) {
  NcclOwner owner(api_, clock_, {});
  NcclUniqueId id;
  ASSERT_EQ(api_->GetUniqueId(&id), NcclResult::kSuccess);
  uint8_t* const second_half = bytes_ + kBytes / 2;
  std::fill(second_half, bytes_ + kBytes, 0xee);
  const absl::Span<const uint8_t> from(bytes_, kBytes / 2);
  EPLB_ASSERT_OK(owner.Run(
      [id, from, second_half](NcclOwner::Calls& calls) -> absl::Status {
        EPLB_RETURN_IF_ERROR(calls.Init(id, /*num_ranks=*/1, /*rank=*/0));
        EPLB_RETURN_IF_ERROR(calls.Nccl(
            "ncclGroupStart", [](NcclApi& api) { return api.GroupStart(); }));
        EPLB_RETURN_IF_ERROR(calls.Nccl("ncclSend", [&](NcclApi& api) {
          return api.Send(from.data(), from.size(), NcclDataType::kUint8,
                          /*peer=*/0, calls.comm(), calls.stream());
        }));
        EPLB_RETURN_IF_ERROR(calls.Nccl("ncclRecv", [&](NcclApi& api) {
          return api.Recv(second_half, from.size(), NcclDataType::kUint8,
                          /*peer=*/0, calls.comm(), calls.stream());
        }));
        return calls.Nccl("ncclGroupEnd",
                          [](NcclApi& api) { return api.GroupEnd(); });
      },
      Soon()));
  EXPECT_TRUE(std::equal(bytes_, second_half, second_half));
}

TEST_F(NcclTest, AClonesEndIsNothingToItsOrigin) {
  EPLB_ASSERT_OK_AND_ASSIGN(auto clone, communicator_->Clone("clone", Soon()));
  EPLB_EXPECT_OK(clone->Barrier(Soon()));
  clone->Abort(absl::AbortedError("no longer needed"));
  clone = nullptr;
  EPLB_EXPECT_OK(communicator_->Barrier(Soon()));
}

// The control channel would find it first; NCCL by itself waits for ever.
TEST_F(NcclTest, InitialisationWithoutThePeerEndsAtItsDeadline) {
  NcclOwner owner(api_, clock_, {});
  NcclUniqueId id;
  ASSERT_EQ(api_->GetUniqueId(&id), NcclResult::kSuccess);
  EXPECT_THAT(owner.Run(
                  [id](NcclOwner::Calls& calls) {
                    return calls.Init(id, /*num_ranks=*/2, /*rank=*/0);
                  },
                  clock_.Now() + std::chrono::seconds(2)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace eplb
