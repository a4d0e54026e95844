// What NcclOwner does for one rank; collectives/nccl_communicator_test.cc has
// what several ranks see.

#include "collectives/nccl_owner.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/nccl_api.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/fake_nccl.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class NcclOwnerTest : public testing::Test {
 protected:
  NcclOwnerTest() {
    nccl_->GetUniqueId(&id_);
    owner_ = std::make_unique<NcclOwner>(
        nccl_, clock_,
        NcclOwnerOptions{.abort_bound = std::chrono::seconds(60),
                         .polls_after_peer_failure = kPollsAfterPeerFailure});
  }

  ~NcclOwnerTest() override {
    owner_ = nullptr;
    EXPECT_THAT(nccl_->Violations(), IsEmpty());
    EXPECT_EQ(nccl_->Leftovers(), "");
  }

  SteadyTime Soon() const { return clock_.Now() + std::chrono::minutes(2); }

  // Makes the communicator of one of `num_ranks`.
  absl::Status Init(int num_ranks, SteadyTime deadline) {
    return owner_->Run(
        [=, id = id_](NcclOwner::Calls& calls) {
          return calls.Init(id, num_ranks, /*rank=*/0);
        },
        deadline);
  }

  absl::Status Sum(SteadyTime deadline) {
    return owner_->Run(
        [](NcclOwner::Calls& calls) -> absl::Status {
          EPLB_ASSIGN_OR_RETURN(void* const memory, calls.PinnedMemory(8));
          return calls.Nccl("ncclAllReduce", [&](NcclApi& api) {
            return api.AllReduce(memory, memory, 1, NcclDataType::kInt64,
                                 calls.comm(), calls.stream());
          });
        },
        deadline);
  }

  // Until a pending run asks NCCL for what does not come.
  void WaitForPolls() const {
    const int64_t polls = nccl_->num_polls();
    while (nccl_->num_polls() < polls + 2) std::this_thread::yield();
  }

  static constexpr int kPollsAfterPeerFailure = 12;

  const std::shared_ptr<FakeNccl> nccl_ = std::make_shared<FakeNccl>();
  NcclUniqueId id_;
  SystemClock clock_;
  std::unique_ptr<NcclOwner> owner_;
};

TEST_F(NcclOwnerTest, RunsEveryTaskOnOneThreadOfItsOwn) {
  std::thread::id first;
  std::thread::id second;
  for (std::thread::id* seen : {&first, &second}) {
    EPLB_ASSERT_OK(owner_->Run(
        [seen](NcclOwner::Calls&) {
          *seen = std::this_thread::get_id();
          return absl::OkStatus();
        },
        Soon()));
  }
  EXPECT_EQ(first, second);
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST_F(NcclOwnerTest, EndsGracefullyWhereNothingHasFailed) {
  EPLB_ASSERT_OK(Init(1, Soon()));
  EPLB_ASSERT_OK(Sum(Soon()));
  owner_ = nullptr;
  EXPECT_EQ(nccl_->num_destroys(), 1);
  EXPECT_EQ(nccl_->num_aborts(), 0);
}

TEST_F(NcclOwnerTest, ReturnsTheErrorOfATaskAndAbortsForGood) {
  EPLB_ASSERT_OK(Init(1, Soon()));
  EXPECT_THAT(owner_->Run(
                  [](NcclOwner::Calls&) {
                    return absl::ResourceExhaustedError("no memory");
                  },
                  Soon()),
              StatusIs(absl::StatusCode::kResourceExhausted, "no memory"));
  EXPECT_EQ(nccl_->num_aborts(), 1);
  EXPECT_THAT(Sum(Soon()),
              StatusIs(absl::StatusCode::kResourceExhausted, "no memory"));
  owner_ = nullptr;
  EXPECT_EQ(nccl_->num_destroys(), 0);
}

TEST_F(NcclOwnerTest, ErrorsNameTheCallAndQuoteNccl) {
  EPLB_ASSERT_OK(Init(1, Soon()));
  nccl_->FailOperation(0, 0, NcclResult::kInternalError, "out of channels");
  EXPECT_THAT(Sum(Soon()),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("ncclAllReduce: internal error"),
                             HasSubstr("out of channels"))));
}

TEST_F(NcclOwnerTest, InitialisationWithoutThePeersEndsAtItsDeadline) {
  const SteadyTime deadline = clock_.Now() + std::chrono::milliseconds(20);
  EXPECT_THAT(Init(2, deadline), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                          HasSubstr("ncclCommInitRankConfig")));
  EXPECT_GE(clock_.Now(), deadline);
  EXPECT_EQ(nccl_->num_aborts(), 1);
}

TEST_F(NcclOwnerTest, StopEndsAPendingRunWithTheFirstReason) {
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  EPLB_ASSERT_OK(Init(1, Soon()));
  std::thread thread([&] {
    EXPECT_THAT(Sum(Soon()), StatusIs(absl::StatusCode::kAborted, "enough"));
  });
  WaitForPolls();
  owner_->Stop(absl::AbortedError("enough"));
  owner_->Stop(absl::InternalError("something else"));
  thread.join();
  EXPECT_THAT(Sum(Soon()), StatusIs(absl::StatusCode::kAborted, "enough"));
}

TEST_F(NcclOwnerTest, AnOperationThatIsDoneIsNotEndedByAPeerThatFails) {
  EPLB_ASSERT_OK(Init(1, Soon()));
  EXPECT_THAT(owner_->Run(
                  [&](NcclOwner::Calls&) {
                    owner_->PeerFailed(absl::UnavailableError("rank 1: left"));
                    return absl::OkStatus();
                  },
                  Soon()),
              IsOk());
  EXPECT_THAT(Sum(Soon()),
              StatusIs(absl::StatusCode::kUnavailable, "rank 1: left"));
}

TEST_F(NcclOwnerTest, WhenAPeerFailsNcclIsAskedSomeMoreTimes) {
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  EPLB_ASSERT_OK(Init(1, Soon()));
  std::thread thread([&] {
    EXPECT_THAT(Sum(Soon()),
                StatusIs(absl::StatusCode::kUnavailable, "rank 1: left"));
  });
  WaitForPolls();
  const int64_t polls = nccl_->num_polls();
  owner_->PeerFailed(absl::UnavailableError("rank 1: left"));
  thread.join();
  EXPECT_GE(nccl_->num_polls(), polls + kPollsAfterPeerFailure);
}

TEST_F(NcclOwnerTest, PinnedMemoryGrowsAndIsGivenBack) {
  EPLB_ASSERT_OK(owner_->Run(
      [](NcclOwner::Calls& calls) -> absl::Status {
        EPLB_ASSIGN_OR_RETURN(void* const small, calls.PinnedMemory(8));
        EPLB_ASSIGN_OR_RETURN(void* const same, calls.PinnedMemory(4));
        EXPECT_EQ(small, same);
        EPLB_ASSIGN_OR_RETURN(void* const large, calls.PinnedMemory(1 << 20));
        static_cast<char*>(large)[(1 << 20) - 1] = 'x';
        return absl::OkStatus();
      },
      Soon()));
}

TEST_F(NcclOwnerTest, WhatDoesNotMoveOnEndsByTheProgressTimeout) {
  FakeClock clock;
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  NcclOwner owner(nccl_, clock, {.progress_timeout = seconds(10)});
  const SteadyTime deadline = clock.Now() + seconds(3600);
  EPLB_ASSERT_OK(owner.Run(
      [id = id_](NcclOwner::Calls& calls) { return calls.Init(id, 1, 0); },
      deadline));
  std::thread thread([&] {
    EXPECT_THAT(
        owner.Run(
            [](NcclOwner::Calls& calls) -> absl::Status {
              calls.ExpectProgress();
              EPLB_ASSIGN_OR_RETURN(void* const memory, calls.PinnedMemory(8));
              return calls.Nccl("ncclAllReduce", [&](NcclApi& api) {
                return api.AllReduce(memory, memory, 1, NcclDataType::kInt64,
                                     calls.comm(), calls.stream());
              });
            },
            deadline),
        StatusIs(absl::StatusCode::kDeadlineExceeded,
                 HasSubstr("nothing has moved on for 10 s")));
  });
  // The caller and the owner's thread.
  clock.WaitForWaiters(2);
  clock.AdvanceClock(seconds(10));
  thread.join();
  EXPECT_LT(clock.Now(), deadline);
}

}  // namespace
}  // namespace eplb
