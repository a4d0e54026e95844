#include "testing/fake_nccl.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "collectives/nccl_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_device_memory.h"

namespace eplb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// One rank of `size`, used by the test's thread.
class FakeNcclTest : public testing::Test {
 protected:
  NcclComm Init(int size = 1, int rank = 0) {
    NcclComm comm = nullptr;
    if (rank == 0) nccl_.GetUniqueId(&id_);
    EXPECT_EQ(nccl_.CommInitRankConfig(&comm, size, id_, rank),
              NcclResult::kInProgress);
    return comm;
  }
  NcclResult StateOf(NcclComm comm) {
    NcclResult state = NcclResult::kSuccess;
    nccl_.CommGetAsyncError(comm, &state);
    return state;
  }
  NcclComm InitReady() {
    const NcclComm comm = Init();
    EXPECT_EQ(StateOf(comm), NcclResult::kSuccess);
    return comm;
  }
  NcclResult Sum(NcclComm comm, int count = 1) {
    return nccl_.AllReduce(values_, values_, count, NcclDataType::kInt64, comm,
                           stream_);
  }

  FakeNccl nccl_;
  NcclUniqueId id_;
  int64_t values_[8] = {};
  const CudaStream stream_ = *nccl_.StreamCreate();
};

TEST_F(FakeNcclTest, HasNothingToSayAboutACleanUse) {
  const NcclComm comm = InitReady();
  EXPECT_EQ(Sum(comm), NcclResult::kSuccess);
  EXPECT_EQ(nccl_.CommFinalize(comm), NcclResult::kInProgress);
  EXPECT_EQ(StateOf(comm), NcclResult::kSuccess);
  EXPECT_EQ(nccl_.CommDestroy(comm), NcclResult::kSuccess);
  EXPECT_TRUE(nccl_.StreamDestroy(stream_).ok());
  EXPECT_THAT(nccl_.Violations(), IsEmpty());
  EXPECT_EQ(nccl_.Leftovers(), "");
}

TEST_F(FakeNcclTest, StaysInProgressAsOftenAsAsked) {
  nccl_.StayInProgress(2);
  const NcclComm comm = Init();
  EXPECT_EQ(StateOf(comm), NcclResult::kInProgress);
  EXPECT_EQ(StateOf(comm), NcclResult::kInProgress);
  EXPECT_EQ(StateOf(comm), NcclResult::kSuccess);
}

TEST_F(FakeNcclTest, InitialisationWaitsForAllRanks) {
  const NcclComm first = Init(/*size=*/2, /*rank=*/0);
  EXPECT_EQ(StateOf(first), NcclResult::kInProgress);
  nccl_.SetDevice(1).IgnoreError();
  Init(/*size=*/2, /*rank=*/1);
  EXPECT_EQ(StateOf(first), NcclResult::kSuccess);
}

TEST_F(FakeNcclTest, RefusesTwoRanksOnOneDeviceBefore230) {
  const NcclComm first = Init(/*size=*/2, /*rank=*/0);
  Init(/*size=*/2, /*rank=*/1);
  EXPECT_EQ(StateOf(first), NcclResult::kInvalidUsage);
  EXPECT_THAT(nccl_.GetLastError(first), HasSubstr("Duplicate GPU"));
}

TEST_F(FakeNcclTest, RecordsUseFromTheWrongThread) {
  const NcclComm comm = InitReady();
  std::thread([&] { Sum(comm); }).join();
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("thread")));
}

TEST_F(FakeNcclTest, RecordsUseWhileInitialising) {
  Sum(Init());
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("initialises")));
}

TEST_F(FakeNcclTest, RecordsUseWhileACallIsInProgress) {
  const NcclComm comm = InitReady();
  nccl_.StayInProgress(1);
  EXPECT_EQ(Sum(comm), NcclResult::kInProgress);
  Sum(comm);
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("in progress")));
}

TEST_F(FakeNcclTest, RecordsUseAfterAnAbort) {
  const NcclComm comm = InitReady();
  nccl_.CommAbort(comm);
  Sum(comm);
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("after abort")));
}

TEST_F(FakeNcclTest, RecordsADestroyAfterAFault) {
  nccl_.FailOperation(0, 0, NcclResult::kSystemError, "a cable");
  const NcclComm comm = InitReady();
  EXPECT_EQ(Sum(comm), NcclResult::kInProgress);
  EXPECT_EQ(StateOf(comm), NcclResult::kSystemError);
  EXPECT_EQ(nccl_.GetLastError(comm), "a cable");
  nccl_.CommDestroy(comm);
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("after a fault")));
}

TEST_F(FakeNcclTest, RecordsADestroyBeforeFinalize) {
  nccl_.CommDestroy(InitReady());
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("finalized")));
}

TEST_F(FakeNcclTest, RecordsUnpairedOperations) {
  const NcclComm comm = InitReady();
  nccl_.Send(values_, 1, NcclDataType::kInt64, 0, comm, stream_);
  nccl_.CommFinalize(comm);
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("unpaired")));
}

TEST_F(FakeNcclTest, RecordsCountsThatDiffer) {
  const NcclComm comm = InitReady();
  nccl_.GroupStart();
  nccl_.Send(values_, 2, NcclDataType::kInt64, 0, comm, stream_);
  nccl_.Recv(values_ + 4, 1, NcclDataType::kInt64, 0, comm, stream_);
  nccl_.GroupEnd();
  EXPECT_THAT(nccl_.Violations(),
              ElementsAre(HasSubstr("send of 2 int64 of rank 0 meets receive "
                                    "of 1 int64 of rank 0")));
}

TEST_F(FakeNcclTest, RecordsCollectivesThatDiffer) {
  const NcclComm first = Init(/*size=*/2, /*rank=*/0);
  nccl_.SetDevice(1).IgnoreError();
  const NcclComm second = Init(/*size=*/2, /*rank=*/1);
  EXPECT_EQ(StateOf(first), NcclResult::kSuccess);
  EXPECT_EQ(StateOf(second), NcclResult::kSuccess);
  const CudaStream stream = *nccl_.StreamCreate();
  Sum(first, 2);
  nccl_.AllReduce(values_, values_, 3, NcclDataType::kInt64, second, stream);
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("all-reduce of 3")));
}

TEST_F(FakeNcclTest, RecordsGroupsThatAreNotPaired) {
  nccl_.GroupEnd();
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("GroupStart")));
  nccl_.GroupStart();
  EXPECT_THAT(nccl_.Leftovers(), HasSubstr("a group not ended"));
}

TEST_F(FakeNcclTest, AStalledStreamDoesNotGetThere) {
  nccl_.StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  const NcclComm comm = InitReady();
  Sum(comm);
  EXPECT_FALSE(*nccl_.StreamQuery(stream_));
  nccl_.CommAbort(comm);
  EXPECT_TRUE(*nccl_.StreamQuery(stream_));
}

TEST_F(FakeNcclTest, ABlockedAbortReturnsWhenItIsLetGo) {
  nccl_.BlockAbort(0);
  std::thread thread([&] { nccl_.CommAbort(InitReady()); });
  nccl_.WaitForBlockedAborts(1);
  nccl_.UnblockAborts();
  thread.join();
  EXPECT_EQ(nccl_.num_aborts(), 1);
}

TEST_F(FakeNcclTest, MemoryThatADeviceDoesNotReachIsAViolation) {
  const auto memory = std::make_shared<FakeDeviceMemory>();
  const std::shared_ptr<void> device = memory->Allocate(8);
  void* const pinned = *nccl_.HostAlloc(8);
  nccl_.ServeOnly(memory);
  const NcclComm comm = InitReady();
  const auto sum = [&](void* to) {
    return nccl_.AllReduce(device.get(), to, 1, NcclDataType::kInt64, comm,
                           stream_);
  };
  EXPECT_EQ(sum(device.get()), NcclResult::kSuccess);
  EXPECT_EQ(sum(pinned), NcclResult::kSuccess);
  EXPECT_TRUE(nccl_.MemcpyAsync(pinned, device.get(), 8, stream_).ok());
  EXPECT_THAT(nccl_.Violations(), IsEmpty());
  EXPECT_EQ(sum(values_), NcclResult::kInvalidUsage);
  nccl_.MemcpyAsync(values_, device.get(), 8, stream_).IgnoreError();
  EXPECT_THAT(nccl_.Violations(), ElementsAre(HasSubstr("does not reach"),
                                              HasSubstr("does not reach")));
}

}  // namespace
}  // namespace eplb
