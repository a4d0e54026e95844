#include "tools/run/first_sentence.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;

void ExpectFirst(const std::vector<std::string>& sentences,
                 const std::string& first) {
  SystemClock clock;
  EXPECT_THAT(
      RunInProcessRanks(
          static_cast<int>(sentences.size()), clock,
          [&](std::unique_ptr<Communicator> communicator) {
            EPLB_ASSIGN_OR_RETURN(
                const std::string heard,
                FirstSentence(*communicator, sentences[communicator->rank()],
                              clock.Now() + std::chrono::minutes(1)));
            EXPECT_EQ(heard, first);
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

TEST(FirstSentenceTest, IsThatOfTheLowestRankThatHasOne) {
  ExpectFirst({"", "", "rank 2, slot 7", "rank 3"}, "rank 2, slot 7");
  ExpectFirst({"rank 0", "rank 1"}, "rank 0");
}

TEST(FirstSentenceTest, IsEmptyWhenNobodyHasOne) {
  ExpectFirst({"", "", ""}, "");
}

TEST(FirstSentenceTest, IsCutOffWhereItIsLong) {
  ExpectFirst({"", std::string(1000, 'x'), "y"},
              std::string(kMaxSentence, 'x'));
}

}  // namespace
}  // namespace eplb
