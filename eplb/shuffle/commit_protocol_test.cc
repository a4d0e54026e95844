#include "eplb/shuffle/commit_protocol.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kHash = 77;

// Brings a rank into doubt about its next unit.
int64_t EnterDoubt(CommitProtocol& protocol) {
  const int64_t unit = protocol.Begin();
  EPLB_EXPECT_OK(protocol.BeginRound2(unit, kHash));
  return unit;
}

TEST(CountVotesTest, IsOkWhenAllAreReady) {
  EPLB_EXPECT_OK(CountVotes({0, 0, 0}));
}

TEST(CountVotesTest, NamesTheRanksThatSayNoAndTheirReasons) {
  EXPECT_THAT(
      CountVotes({0, static_cast<int64_t>(absl::StatusCode::kDataLoss), 0,
                  static_cast<int64_t>(absl::StatusCode::kUnavailable)}),
      StatusIs(absl::StatusCode::kAborted,
               HasSubstr("rank 1 (DATA_LOSS), rank 3 (UNAVAILABLE)")));
}

TEST(CommitProtocolTest, CommitsAtTheLatestFence) {
  CommitProtocol protocol;
  const int64_t unit = EnterDoubt(protocol);
  EXPECT_EQ(protocol.Commit({5, 9, 7}), 9);
  EXPECT_EQ(protocol.doubtful_unit(), std::nullopt);
  EXPECT_EQ(protocol.record().committed_unit, unit);
}

TEST(CommitProtocolTest, IsInDoubtFromSendingInRound2On) {
  CommitProtocol protocol;
  const int64_t unit = protocol.Begin();
  EXPECT_EQ(protocol.doubtful_unit(), std::nullopt);
  EPLB_ASSERT_OK(protocol.BeginRound2(unit, kHash));
  EXPECT_EQ(protocol.doubtful_unit(), unit);
}

TEST(CommitProtocolTest, RefusesAnAgreementWhileOneIsInDoubt) {
  CommitProtocol protocol;
  EnterDoubt(protocol);
  EXPECT_THAT(protocol.BeginRound2(protocol.Begin(), kHash),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("unit 0 is in doubt")));
}

TEST(ResolveDoubtTest, CommitsEverywhereWhenOneRankKnowsTheCommit) {
  CommitProtocol knows, doubts;
  EnterDoubt(knows);
  knows.Commit({3, 8});
  EnterDoubt(doubts);
  EPLB_ASSERT_OK_AND_ASSIGN(const DoubtOutcome outcome,
                            ResolveDoubt({doubts.record(), knows.record()}));
  EXPECT_TRUE(outcome.is_committed());
  EXPECT_EQ(outcome.commit_step, 8);
  doubts.Resolve(outcome);
  knows.Resolve(outcome);
  EXPECT_EQ(doubts.record(), knows.record());
}

TEST(ResolveDoubtTest, DropsEverywhereWhenNoRankKnowsTheCommit) {
  CommitProtocol doubts, has_not_sent;
  EnterDoubt(doubts);
  has_not_sent.Begin();
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DoubtOutcome outcome,
      ResolveDoubt({doubts.record(), has_not_sent.record()}));
  EXPECT_TRUE(outcome.has_doubt());
  EXPECT_FALSE(outcome.is_committed());
  doubts.Resolve(outcome);
  EXPECT_EQ(doubts.doubtful_unit(), std::nullopt);
}

TEST(ResolveDoubtTest, TellsARankThatJoinsWhereTheOthersAre) {
  CommitProtocol old_rank, new_rank;
  EnterDoubt(old_rank);
  old_rank.Commit({4});
  EPLB_ASSERT_OK_AND_ASSIGN(
      const DoubtOutcome outcome,
      ResolveDoubt({old_rank.record(), new_rank.record()}));
  EXPECT_FALSE(outcome.has_doubt());
  new_rank.Resolve(outcome);
  EXPECT_EQ(new_rank.record(), old_rank.record());
  EXPECT_EQ(new_rank.Begin(), 1);
}

TEST(ResolveDoubtTest, RefusesRanksInDoubtAboutDifferentUnits) {
  CommitProtocol a, b;
  EnterDoubt(a);
  b.Begin();
  EnterDoubt(b);
  EXPECT_THAT(ResolveDoubt({a.record(), b.record()}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("rank 0 is in doubt about unit 0, rank 1 "
                                 "about unit 1")));
}

TEST(ResolveDoubtTest, RefusesUnitsThatInstallDifferentThings) {
  CommitProtocol a, b;
  EPLB_ASSERT_OK(a.BeginRound2(a.Begin(), 1));
  EPLB_ASSERT_OK(b.BeginRound2(b.Begin(), 2));
  EXPECT_THAT(ResolveDoubt({a.record(), b.record()}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("ranks 0 and 1")));
}

TEST(UnitRecordTest, ComesBackAsItWasSent) {
  CommitProtocol protocol;
  EnterDoubt(protocol);
  EXPECT_THAT(UnitRecord::Parse(protocol.record().Serialize()),
              IsOkAndHolds(protocol.record()));
}

TEST(UnitRecordTest, NoticesEveryFlippedBit) {
  CommitProtocol protocol;
  EnterDoubt(protocol);
  protocol.Commit({12, 5});
  const std::vector<int64_t> words = protocol.record().Serialize();
  for (size_t bit = 0; bit < words.size() * 64; ++bit) {
    std::vector<int64_t> damaged = words;
    damaged[bit / 64] ^= static_cast<int64_t>(uint64_t{1} << bit % 64);
    EXPECT_THAT(UnitRecord::Parse(damaged),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

// As when ranks go on without one that knows the commit, and it comes back.
TEST(ResolveDoubtTest, NoticesARankThatDroppedWhatAnotherCommitted) {
  CommitProtocol dropped, committed;
  EnterDoubt(dropped);
  EnterDoubt(committed);
  committed.Commit({1});
  dropped.Resolve(*ResolveDoubt({dropped.record()}));
  EXPECT_THAT(ResolveDoubt({committed.record(), dropped.record()}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("unit 0 was committed, but rank 1 has "
                                 "dropped it")));
}

// Ranks run units; in each, round 2 reaches only some of them, or an epoch
// opens and reaches only some of them, until one reaches all. Then all agree
// about every unit.
TEST(CommitProtocolTest, SettlesEveryUnitAlikeHoweverRoundsAreCut) {
  int64_t resolved = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    DeterministicRandom random(seed);
    std::vector<CommitProtocol> ranks(1 + random.NextBelow(6));
    for (int64_t number = 0; number < 4; ++number) {
      std::vector<int64_t> fences;
      for (CommitProtocol& rank : ranks) {
        ASSERT_EQ(rank.Begin(), number);
        fences.push_back(10 * number + random.NextBelow(5));
      }
      // Nobody can see round 2 complete unless all have sent.
      bool all_sent = true;
      std::vector<bool> sent;
      for (CommitProtocol& rank : ranks) {
        sent.push_back(random.NextBelow(8) > 0);
        if (sent.back()) {
          EPLB_ASSERT_OK(rank.BeginRound2(number, kHash));
        }
        all_sent = all_sent && sent.back();
      }
      bool somebody_knows = false;
      for (CommitProtocol& rank : ranks) {
        if (!all_sent || random.NextBelow(3) == 0) continue;
        rank.Commit(fences);
        somebody_knows = true;
      }
      for (bool reaches_all = false; !reaches_all;) {
        std::vector<UnitRecord> records;
        for (const CommitProtocol& rank : ranks) {
          records.push_back(rank.record());
        }
        EPLB_ASSERT_OK_AND_ASSIGN(const DoubtOutcome outcome,
                                  ResolveDoubt(records));
        if (outcome.has_doubt()) {
          ++resolved;
          ASSERT_EQ(outcome.is_committed(), somebody_knows);
        }
        reaches_all = true;
        for (CommitProtocol& rank : ranks) {
          const bool is_reached = random.NextBelow(4) > 0;
          if (is_reached) rank.Resolve(outcome);
          reaches_all = reaches_all && is_reached;
        }
      }
      for (const CommitProtocol& rank : ranks) {
        ASSERT_EQ(rank.record(), ranks[0].record());
        ASSERT_EQ(rank.record().committed_unit == number, somebody_knows);
      }
    }
  }
  EXPECT_GT(resolved, 1000);
}

}  // namespace
}  // namespace eplb
