// What the nccl backend does when NCCL, the GPU or a peer misbehaves. Deadlines
// are those of a clock that goes on by a millisecond when all ranks have asked
// NCCL and wait to ask again.

#include "collectives/nccl_communicator.h"

#include <barrier>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/in_process.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/fake_nccl.h"
#include "testing/lockstep_clock.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// More than a machine has been up for.
constexpr std::chrono::hours kBeyondTheMachinesTime(1'000'000);

class NcclCommunicatorTest : public testing::Test {
 protected:
  using Body = std::function<absl::Status(Communicator&)>;

  void TearDown() override {
    EXPECT_THAT(nccl_->Violations(), IsEmpty());
    if (!leaves_behind_) {
      EXPECT_EQ(nccl_->Leftovers(), "");
    }
  }

  SteadyTime In(std::chrono::nanoseconds duration) const {
    return clock_.Now() + duration;
  }

  // What `body` returned on each rank, or the error of connecting. All ranks
  // stay until all are done. Runs `meanwhile` on a thread of its own.
  std::vector<absl::Status> Run(
      int num_ranks, const Body& body,
      const std::function<void()>& meanwhile = [] {}) {
    const auto group = InProcessGroup::Create(num_ranks, control_clock_);
    std::vector<int> members;
    for (int rank = 0; rank < num_ranks; ++rank) members.push_back(rank);
    std::vector<std::unique_ptr<Communicator>> communicators(num_ranks);
    std::vector<absl::Status> results(num_ranks);
    // While they connect, ranks wait for each other elsewhere than in NCCL.
    std::barrier connected(num_ranks, [&]() noexcept {
      for (const auto& communicator : communicators) {
        if (communicator != nullptr && in_lockstep_) clock_.Join(1);
      }
    });
    std::vector<std::thread> threads;
    for (int rank = 0; rank < num_ranks; ++rank) {
      threads.emplace_back([&, rank] {
        NcclOwnerOptions options = options_;
        options.device = shares_device_ ? 0 : rank;
        NcclCommunicatorFactory factory(nccl_, clock_, options,
                                        (*group)->FactoryOfRank(rank));
        // The control channel has the machine's time.
        auto communicator = factory.Connect(1, members, connect_deadline_);
        results[rank] = communicator.status();
        if (communicator.ok()) {
          communicators[rank] = decorate_(*std::move(communicator));
        }
        connected.arrive_and_wait();
        if (communicators[rank] == nullptr) return;
        results[rank] = body(*communicators[rank]);
        if (in_lockstep_) clock_.Leave();
      });
    }
    threads.emplace_back(meanwhile);
    for (std::thread& thread : threads) thread.join();
    // One after another: one that waits for its end takes the time of no other.
    while (!communicators.empty()) communicators.pop_back();
    return results;
  }

  absl::Status Sum(Communicator& communicator, SteadyTime deadline) {
    int64_t value = 1;
    return communicator.AllReduceSum(absl::MakeSpan(&value, 1), deadline);
  }

  const std::shared_ptr<FakeNccl> nccl_ = std::make_shared<FakeNccl>();
  SystemClock control_clock_;
  LockstepClock clock_{std::chrono::milliseconds(1)};
  // Off where the ranks, while they call, also wait for each other elsewhere
  // than in NCCL: time passes whenever one asks.
  bool in_lockstep_ = true;
  // The control channel, which has the machine's time, answers the roll call.
  NcclOwnerOptions options_ = {.abort_bound = seconds(2),
                               .polls_after_peer_failure = 10,
                               .roll_call_bound = kBeyondTheMachinesTime};
  SteadyTime connect_deadline_ = FakeClock::kStart + kBeyondTheMachinesTime;
  std::function<std::unique_ptr<Communicator>(std::unique_ptr<Communicator>)>
      decorate_ = [](auto communicator) { return communicator; };
  bool shares_device_ = false;
  bool leaves_behind_ = false;
};

TEST_F(NcclCommunicatorTest, WaitsWhileNcclIsInProgress) {
  nccl_->StayInProgress(7);
  EXPECT_THAT(
      Run(4, [&](Communicator& c) { return Sum(c, In(seconds(3600))); }),
      Each(IsOk()));
  EXPECT_EQ(nccl_->num_destroys(), 4);
  EXPECT_EQ(nccl_->num_aborts(), 0);
}

TEST_F(NcclCommunicatorTest, RefusesAnOldLibraryWithItsNumber) {
  nccl_->SetVersion(2804);
  EXPECT_THAT(Run(2, [](Communicator&) { return absl::OkStatus(); }),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            AllOf(HasSubstr("2.8.4"), HasSubstr("2.14.0")))));
}

TEST_F(NcclCommunicatorTest, RefusesTwoRanksOnOneGpuBefore230) {
  shares_device_ = true;
  EXPECT_THAT(
      Run(2, [](Communicator&) { return absl::OkStatus(); }),
      Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("ranks 0-1 have one GPU"),
                          HasSubstr("GPU-fake-0"), HasSubstr("2.28.9")))));
}

TEST_F(NcclCommunicatorTest, ServesTwoRanksOnOneGpuFrom230On) {
  shares_device_ = true;
  nccl_->SetVersion(23004);
  EXPECT_THAT(
      Run(2, [&](Communicator& c) { return Sum(c, In(seconds(3600))); }),
      Each(IsOk()));
}

TEST_F(NcclCommunicatorTest, AFaultWhileConnectingEndsItOnAllRanks) {
  nccl_->FailInitialization(1, NcclResult::kSystemError, "no such interface");
  const std::vector<absl::Status> results =
      Run(3, [](Communicator&) { return absl::OkStatus(); });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kUnavailable,
                                     HasSubstr("no such interface"))));
  EXPECT_THAT(results[0].message(), HasSubstr("rank 1"));
  EXPECT_EQ(nccl_->num_destroys(), 0);
}

TEST_F(NcclCommunicatorTest, AnAsynchronousErrorIsToldToAllWithNcclsWords) {
  nccl_->FailOperation(2, 3, NcclResult::kInternalError, "a CUDA graph");
  const std::vector<absl::Status> results =
      Run(4, [&](Communicator& communicator) {
        absl::Status status;
        for (int i = 0; i < 9 && status.ok(); ++i) {
          status = Sum(communicator, In(seconds(3600)));
          EXPECT_EQ(status.ok(), i < 3);
        }
        EXPECT_THAT(communicator.Barrier(In(seconds(3600))),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("a CUDA graph")));
        return status;
      });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kInternal,
                                     HasSubstr("a CUDA graph"))));
  EXPECT_THAT(results[2].message(), HasSubstr("ncclAllReduce"));
  for (const int other : {0, 1, 3}) {
    EXPECT_THAT(results[other].message(), HasSubstr("rank 2"));
  }
  // All survivors abort, and nobody destroys after a fault.
  EXPECT_EQ(nccl_->num_aborts(), 4);
  EXPECT_EQ(nccl_->num_destroys(), 0);
}

TEST_F(NcclCommunicatorTest, ARemoteErrorNamesTheRankThatFailed) {
  nccl_->FailOperation(1, 0, NcclResult::kRemoteError, "connection reset");
  const std::vector<absl::Status> results =
      Run(2, [&](Communicator& communicator) {
        if (communicator.rank() == 1) {
          return Sum(communicator, In(seconds(3600)));
        }
        // Nobody asks NCCL, so rank 1 waits for the reason without limit.
        communicator.Abort(absl::DataLossError("a checksum"));
        return absl::OkStatus();
      });
  EXPECT_THAT(results[1], StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr("rank 0: a checksum"))));
}

TEST_F(NcclCommunicatorTest, UnderCheckedRanksStillAgreeAfterAFault) {
  in_lockstep_ = false;
  nccl_->FailOperation(1, 1, NcclResult::kInternalError, "an XID");
  const auto headers = InProcessGroup::Create(3, control_clock_);
  decorate_ = [&](std::unique_ptr<Communicator> nccl) {
    const auto factory = (*headers)->FactoryOfRank(nccl->rank());
    auto control = factory->Connect(1, {0, 1, 2}, connect_deadline_);
    return std::make_unique<CheckedCommunicator>(std::move(nccl),
                                                 *std::move(control));
  };
  EXPECT_THAT(Run(3,
                  [&](Communicator& communicator) -> absl::Status {
                    auto& checked =
                        static_cast<CheckedCommunicator&>(communicator);
                    EPLB_EXPECT_OK(Sum(checked, connect_deadline_));
                    const absl::Status failed = Sum(checked, connect_deadline_);
                    EXPECT_THAT(failed, StatusIs(absl::StatusCode::kInternal,
                                                 HasSubstr("an XID")));
                    EPLB_ASSIGN_OR_RETURN(
                        const std::vector<int64_t> votes,
                        checked.Agree(failed.ok() ? 1 : 0, connect_deadline_));
                    EXPECT_THAT(votes, Each(0));
                    return checked.Agree(0, connect_deadline_).status();
                  }),
              Each(IsOk()));
}

TEST_F(NcclCommunicatorTest, AStreamThatNeverCompletesEndsAtTheDeadline) {
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  EXPECT_THAT(
      Run(1,
          [&](Communicator& communicator) {
            const SteadyTime deadline = In(seconds(5));
            const absl::Status status = Sum(communicator, deadline);
            EXPECT_GE(clock_.Now(), deadline);
            EXPECT_LT(clock_.Now(), deadline + seconds(1));
            return status;
          }),
      Each(StatusIs(absl::StatusCode::kDeadlineExceeded,
                    AllOf(HasSubstr("GPU"), Not(HasSubstr("left behind"))))));
  EXPECT_EQ(nccl_->num_aborts(), 1);
}

TEST_F(NcclCommunicatorTest, TheRankThatNeverCalledIsNamedAtTheDeadline) {
  const std::vector<absl::Status> results =
      Run(4, [&](Communicator& communicator) {
        const absl::Status first = Sum(communicator, In(seconds(3600)));
        return communicator.rank() == 1 ? first
                                        : Sum(communicator, In(seconds(5)));
      });
  for (const int rank : {0, 2, 3}) {
    EXPECT_THAT(results[rank], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                        HasSubstr("rank 1 had not called")));
  }
}

TEST_F(NcclCommunicatorTest, ADeadlineThatAllRanksMissNamesNone) {
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/true);
  EXPECT_THAT(Run(2, [&](Communicator& c) { return Sum(c, In(seconds(5))); }),
              Each(StatusIs(absl::StatusCode::kDeadlineExceeded,
                            HasSubstr("all ranks had called"))));
}

// Rank 0 sends `num_sent` messages of 1 byte, of which rank 1 receives some.
absl::Status SendMany(Communicator& c, int num_sent, int num_received,
                      SteadyTime deadline) {
  char byte = 'x';
  std::vector<char> received(num_received);
  std::vector<SendMessage> sends;
  std::vector<ReceiveMessage> receives;
  for (int i = 0; c.rank() == 0 && i < num_sent; ++i) {
    sends.push_back({1, {&byte, 1, MemorySpace::kDevice}});
  }
  for (int i = 0; c.rank() == 1 && i < num_received; ++i) {
    receives.push_back({0, {&received[i], 1, MemorySpace::kDevice}});
  }
  return c.Exchange(sends, receives, deadline);
}

TEST_F(NcclCommunicatorTest, AnExchangeThatStallsEndsByItsProgressTimeout) {
  options_.progress_timeout = seconds(10);
  // Before the first batch, and in a later one.
  for (const int num_received : {0, 200}) {
    SCOPED_TRACE(num_received);
    const SteadyTime deadline = In(std::chrono::hours(1000));
    const std::vector<absl::Status> results =
        Run(2, [&](Communicator& communicator) {
          if (communicator.rank() == 1 && num_received == 0) {
            return absl::OkStatus();
          }
          return SendMany(communicator, 300, num_received, deadline);
        });
    EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDeadlineExceeded,
                                     HasSubstr("nothing has moved on for 10")));
    EXPECT_THAT(results[0].message(),
                HasSubstr(num_received == 0 ? "rank 1 had not called"
                                            : "all ranks had called"));
    EXPECT_LT(clock_.Now(), deadline);
  }
}

TEST_F(NcclCommunicatorTest, AnExchangeMayTakeLongerThanItsProgressTimeout) {
  // Between two questions to NCCL lies a millisecond, so each group takes 40.
  nccl_->StayInProgress(40);
  options_.progress_timeout = seconds(1);
  EXPECT_THAT(Run(2,
                  [&](Communicator& communicator) {
                    const SteadyTime begin = clock_.Now();
                    const absl::Status status =
                        SendMany(communicator, 1200, 1200,
                                 begin + std::chrono::hours(1000));
                    EXPECT_GT(clock_.Now(), begin + options_.progress_timeout);
                    return status;
                  }),
              Each(IsOk()));
}

TEST_F(NcclCommunicatorTest, AStreamThatOutlastsTheAbortIsLeftBehind) {
  leaves_behind_ = true;
  nccl_->StallStreams(/*device=*/0, /*abort_ends_it=*/false);
  // A copy: the abort takes away what is NCCL's.
  char from[8] = {};
  char to[8] = {};
  EXPECT_THAT(
      Run(1,
          [&](Communicator& communicator) {
            return communicator.Exchange(
                {SendMessage{0, {from, 8, MemorySpace::kDevice}}},
                {ReceiveMessage{0, {to, 8, MemorySpace::kDevice}}},
                In(seconds(5)));
          }),
      Each(StatusIs(absl::StatusCode::kDeadlineExceeded,
                    AllOf(HasSubstr("cudaStreamQuery has not ended within 2 s"),
                          HasSubstr("may still use the buffers")))));
}

TEST_F(NcclCommunicatorTest, AnAbortThatBlocksIsLeftBehind) {
  nccl_->BlockAbort(0);
  EXPECT_THAT(
      Run(
          2,
          [&](Communicator& communicator) {
            if (communicator.rank() == 1) return absl::OkStatus();
            const SteadyTime deadline = In(seconds(5));
            const absl::Status status = Sum(communicator, deadline);
            EXPECT_GE(clock_.Now(), deadline + options_.abort_bound);
            EXPECT_THAT(communicator.Barrier(In(seconds(5))),
                        StatusIs(absl::StatusCode::kFailedPrecondition));
            return status;
          },
          [&] {
            nccl_->WaitForBlockedAborts(1);
            clock_.AdvanceClock(options_.abort_bound);
          })[0],
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               AllOf(HasSubstr("ncclCommAbort has not ended within 2 s"),
                     HasSubstr("may still use the buffers"))));
  // The communicator is gone, and the thread still there.
  leaves_behind_ = true;
  nccl_->UnblockAborts();
}

TEST_F(NcclCommunicatorTest, AFinalizeThatNeverEndsBecomesAnAbort) {
  nccl_->NeverFinalize(0);
  EXPECT_THAT(
      Run(2, [&](Communicator& c) { return Sum(c, In(seconds(3600))); }),
      Each(IsOk()));
  EXPECT_EQ(nccl_->num_aborts(), 1);
  EXPECT_EQ(nccl_->num_destroys(), 1);
}

TEST_F(NcclCommunicatorTest, HostMemoryIsUnimplemented) {
  char bytes[64];
  const std::vector<Body> calls = {
      [&](Communicator& c) {
        return c.AllGather({bytes, 8}, {bytes + 8, 8, MemorySpace::kDevice},
                           In(seconds(3600)));
      },
      [&](Communicator& c) {
        return c.AllGather({bytes, 8, MemorySpace::kDevice}, {bytes + 8, 8},
                           In(seconds(3600)));
      },
      [&](Communicator& c) {
        return c.Broadcast({bytes, 8}, 0, In(seconds(3600)));
      },
      [&](Communicator& c) {
        return c.Exchange(
            {SendMessage{0, {bytes, 8}}},
            {ReceiveMessage{0, {bytes + 8, 8, MemorySpace::kDevice}}},
            In(seconds(3600)));
      },
  };
  for (const Body& call : calls) {
    EXPECT_THAT(Run(1, call),
                Each(StatusIs(absl::StatusCode::kUnimplemented,
                              HasSubstr("host memory is not served"))));
  }
}

TEST_F(NcclCommunicatorTest, PinnedHostMemoryIsServed) {
  EXPECT_THAT(Run(3,
                  [&](Communicator& c) {
                    char byte = c.rank() == 1 ? 'x' : ' ';
                    const absl::Status status =
                        c.Broadcast({&byte, 1, MemorySpace::kPinnedHost}, 1,
                                    In(seconds(3600)));
                    EXPECT_EQ(byte, 'x');
                    return status;
                  }),
              Each(IsOk()));
}

TEST_F(NcclCommunicatorTest, GroupsHaveAtMost32Messages) {
  std::vector<char> sent(300, 'x');
  EXPECT_THAT(
      Run(2,
          [&](Communicator& c) {
            std::vector<char> received(300);
            std::vector<SendMessage> sends;
            std::vector<ReceiveMessage> receives;
            for (int i = 0; i < 300; ++i) {
              sends.push_back(
                  {1 - c.rank(), {&sent[i], 1, MemorySpace::kDevice}});
              receives.push_back(
                  {1 - c.rank(), {&received[i], 1, MemorySpace::kDevice}});
            }
            const absl::Status status =
                c.Exchange(sends, receives, In(seconds(3600)));
            EXPECT_EQ(received, sent);
            return status;
          }),
      Each(IsOk()));
  EXPECT_EQ(nccl_->largest_group(), 32);
}

}  // namespace
}  // namespace eplb
