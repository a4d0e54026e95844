// Resizes that come to nothing: the ranks that were there go on as before, and
// the next resize works.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/rank_mapping.h"
#include "eplb/core/status_macros.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/state_test_rank.h"
#include "eplb/state/state_test_resize.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

// Connects as `factory` does, but for an epoch in which a rank is missing.
class RankMissingInEpoch final : public CommunicatorFactory {
 public:
  RankMissingInEpoch(CommunicatorFactory& factory, uint64_t epoch)
      : factory_(factory), epoch_(epoch) {}

  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override {
    if (epoch == epoch_) {
      return absl::DeadlineExceededError("rank 3 of the job is missing");
    }
    return factory_.Connect(epoch, members, deadline);
  }

 private:
  CommunicatorFactory& factory_;
  const uint64_t epoch_;
};

absl::Status Grow(TestRank& rank, uint64_t epoch) {
  EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                        RankMapping::Create({0, 1, 2}, 4));
  const ResizeOptions resize{.rank_mapping = &mapping,
                             .members = {epoch, FirstRanks(4)}};
  return rank.state->Rearrange({.resize = &resize}).status();
}

// That three ranks are a group, which goes on rearranging.
absl::Status ExpectGroupOfThree(TestRank& rank) {
  EXPECT_EQ(rank.state->topology().num_ranks(), 3);
  EXPECT_EQ(rank.state->config().num_redundant_experts,
            ShapeOn(3).num_redundant_experts);
  EXPECT_EQ(rank.state->placement(0).num_slots(), 3 * kSlotsPerRank);
  const size_t before = rank.events.EventsOf<RearrangementFinished>().size();
  EPLB_RETURN_IF_ERROR(Serve(rank, 45, 5, 2));
  EXPECT_GT(rank.events.EventsOf<RearrangementFinished>().size(), before);
  return absl::OkStatus();
}

TEST(EplbStateResizeFailureTest, GoesOnWithoutARankThatNeverJoins) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          4, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            if (job_rank == 3) {
              TestRank rank(factory, clock, FirstRanks(4), 200);
              EPLB_RETURN_IF_ERROR(Join(rank, 4, 200, 4));
              return Serve(rank, 30, 9, 3);
            }
            RankMissingInEpoch missing(factory, 100);
            TestRank rank(missing, clock, FirstRanks(3));
            EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
            EPLB_RETURN_IF_ERROR(
                rank.AddModel("main", ShapeOn(3), {.max_ranks = 4}));
            EPLB_RETURN_IF_ERROR(Serve(rank, 30, 0, 1));
            EXPECT_THAT(Grow(rank, 100),
                        StatusIs(absl::StatusCode::kDeadlineExceeded,
                                 HasSubstr("rank 3")));
            EPLB_RETURN_IF_ERROR(ExpectGroupOfThree(rank));
            // Now it is there.
            EPLB_RETURN_IF_ERROR(Grow(rank, 200));
            EPLB_RETURN_IF_ERROR(ConnectTest(rank, 250, FirstRanks(4)));
            return Serve(rank, 30, 9, 3);
          }),
      Each(IsOk()));
}

TEST(EplbStateResizeFailureTest, GoesOnWithoutARankThatBringsAnotherModel) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          4, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            if (job_rank == 3) {
              TestRank rank(factory, clock, FirstRanks(4), 100);
              EXPECT_THAT(Join(rank, 4, 100, 4, {"other"}),
                          StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("another name")));
              return absl::OkStatus();
            }
            TestRank rank(factory, clock, FirstRanks(3));
            EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
            EPLB_RETURN_IF_ERROR(
                rank.AddModel("main", ShapeOn(3), {.max_ranks = 4}));
            EPLB_RETURN_IF_ERROR(Serve(rank, 30, 0, 1));
            EXPECT_THAT(
                Grow(rank, 100),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("rank 3: ReceiveState: model 'other'")));
            return ExpectGroupOfThree(rank);
          }),
      Each(IsOk()));
}

TEST(EplbStateResizeFailureTest, RefusesMoreRanksThanTheTablesHaveRoomFor) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(3, clock,
                  [&](int, CommunicatorFactory& factory) -> absl::Status {
                    TestRank rank(factory, clock, FirstRanks(3));
                    EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
                    EPLB_RETURN_IF_ERROR(
                        rank.AddModel("main", ShapeOn(3), {.max_ranks = 3}));
                    // Before anybody waits for the rank that is to join.
                    EXPECT_THAT(Grow(rank, 100),
                                StatusIs(absl::StatusCode::kResourceExhausted,
                                         HasSubstr("max_ranks")));
                    return ExpectGroupOfThree(rank);
                  }),
      Each(IsOk()));
}

TEST(EplbStateResizeFailureTest, RefusesMembersOfNoKnownNode) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(3, clock,
                  [&](int, CommunicatorFactory& factory) -> absl::Status {
                    TestRank rank(factory, clock, FirstRanks(3));
                    rank.node_of_job_rank = {0, 0, 1};
                    EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(3)));
                    EPLB_RETURN_IF_ERROR(
                        rank.AddModel("main", ShapeOn(3), {.max_ranks = 4}));
                    EXPECT_EQ(rank.state->topology().num_nodes(), 2);
                    EXPECT_THAT(
                        Grow(rank, 100),
                        StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("nodes are known of ranks 0 to 2")));
                    return ExpectGroupOfThree(rank);
                  }),
      Each(IsOk()));
}

TEST(EplbStateResizeFailureTest, ConnectsAShrunkGroupLaterWhenItCannotAtOnce) {
  SystemClock clock;
  EXPECT_THAT(
      OnTestRanks(
          4, clock,
          [&](int job_rank, CommunicatorFactory& factory) -> absl::Status {
            EPLB_ASSIGN_OR_RETURN(const RankMapping mapping,
                                  RankMapping::Create({0, 1, 2, -1}, 3));
            RankMissingInEpoch missing(factory, 300);
            TestRank rank(missing, clock, FirstRanks(4));
            EPLB_RETURN_IF_ERROR(rank.Create(ConfigOn(4)));
            EPLB_RETURN_IF_ERROR(rank.AddModel("main", ShapeOn(4)));
            EPLB_RETURN_IF_ERROR(Serve(rank, 30, 0, 1));
            const ResizeOptions resize{.rank_mapping = &mapping,
                                       .members = {300, FirstRanks(3)}};
            const absl::Status shrunk =
                rank.state->Rearrange({.resize = &resize}).status();
            if (job_rank == 3) return shrunk;
            EXPECT_THAT(shrunk, StatusIs(absl::StatusCode::kDeadlineExceeded,
                                         HasSubstr("rank 3")));
            EPLB_RETURN_IF_ERROR(rank.CheckRows());
            // The next collective call connects.
            EPLB_RETURN_IF_ERROR(
                rank.state->Rearrange({.execute_shuffle = false}).status());
            EPLB_RETURN_IF_ERROR(ConnectTest(rank, 350, FirstRanks(3)));
            return ExpectGroupOfThree(rank);
          }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
