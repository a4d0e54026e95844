#include "testing/fake_nccl_work.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "collectives/nccl_api.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using Kind = FakeNcclOperation::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two ranks of one clique, each with a stream on a device of its own.
class FakeNcclWorkTest : public testing::Test {
 protected:
  void Add(int rank, FakeNcclOperation operation) {
    streams_.Add(stream_[rank], &clique_, rank, {operation});
    streams_.Run(violations_);
  }
  FakeNcclOperation Sum(int rank, size_t count = 2) {
    return {.kind = Kind::kAllReduce,
            .from = values_[rank],
            .to = values_[rank],
            .count = count,
            .type = NcclDataType::kInt64};
  }
  FakeNcclOperation Send(const char* from, size_t count, int peer) {
    return {.kind = Kind::kSend, .from = from, .count = count, .peer = peer};
  }
  FakeNcclOperation Receive(char* to, size_t count, int peer) {
    return {.kind = Kind::kRecv, .to = to, .count = count, .peer = peer};
  }
  bool IsIdle(int rank) { return streams_.IsIdle(stream_[rank]); }

  FakeNcclClique clique_{2};
  FakeCudaStreams streams_;
  const CudaStream stream_[2] = {streams_.Create(0), streams_.Create(1)};
  std::vector<std::string> violations_;
  int64_t values_[2][2] = {{1, 2}, {10, 20}};
};

TEST_F(FakeNcclWorkTest, ACollectiveRunsWhenAllRanksHaveCome) {
  Add(0, Sum(0));
  EXPECT_FALSE(IsIdle(0));
  EXPECT_THAT(values_[0], ElementsAre(1, 2));
  Add(1, Sum(1));
  EXPECT_TRUE(IsIdle(0));
  EXPECT_TRUE(IsIdle(1));
  EXPECT_THAT(values_[0], ElementsAre(11, 22));
  EXPECT_THAT(values_[1], ElementsAre(11, 22));
  EXPECT_THAT(violations_, IsEmpty());
}

TEST_F(FakeNcclWorkTest, CollectivesThatDifferAreAViolation) {
  Add(0, Sum(0, 1));
  Add(1, Sum(1, 2));
  EXPECT_THAT(violations_,
              ElementsAre("all-reduce of 1 int64 of rank 0 meets all-reduce of "
                          "2 int64 of rank 1"));
}

TEST_F(FakeNcclWorkTest, MessagesOfAPairMeetInTheirOrder) {
  char received[3] = {};
  Add(0, Send("a", 1, 1));
  Add(1, Receive(received, 1, 0));
  Add(1, Receive(received + 1, 2, 0));
  EXPECT_FALSE(IsIdle(1));
  Add(0, Send("bc", 2, 1));
  EXPECT_TRUE(IsIdle(1));
  EXPECT_THAT(received, ElementsAre('a', 'b', 'c'));
  EXPECT_THAT(violations_, IsEmpty());
}

TEST_F(FakeNcclWorkTest, AMessageOfAnotherSizeIsAViolation) {
  char received[4] = {};
  Add(0, Send("abc", 3, 1));
  Add(1, Receive(received, 2, 0));
  EXPECT_THAT(violations_, ElementsAre(HasSubstr("send of 3 uint8")));
  EXPECT_EQ(received[2], 0);
}

// As on a device: whoever waits for the second thing first waits for ever.
TEST_F(FakeNcclWorkTest, AStreamRunsInOrder) {
  char received[2] = {};
  Add(0, Send("a", 1, 1));
  Add(0, Sum(0));
  Add(1, Sum(1));
  EXPECT_FALSE(IsIdle(0));
  EXPECT_FALSE(IsIdle(1));
  Add(1, Receive(received, 1, 0));
  EXPECT_FALSE(IsIdle(0));
  EXPECT_FALSE(IsIdle(1));
}

TEST_F(FakeNcclWorkTest, WorkOfARankThatAbortsIsTakenAway) {
  Add(0, Sum(0));
  EXPECT_TRUE(streams_.HasWorkOf(&clique_, 0));
  EXPECT_FALSE(streams_.HasWorkOf(&clique_, 1));
  streams_.Abort(&clique_, 0);
  EXPECT_TRUE(IsIdle(0));
  Add(1, Sum(1));
  EXPECT_FALSE(IsIdle(1));
  EXPECT_THAT(values_[1], ElementsAre(10, 20));
}

TEST_F(FakeNcclWorkTest, AStalledStreamBeginsNothing) {
  const char from = 'x';
  char to = ' ';
  const FakeNcclOperation copy = {
      .kind = Kind::kCopy, .from = &from, .to = &to, .count = 1};
  streams_.Stall(/*device=*/0, /*abort_ends_it=*/false);
  streams_.Add(stream_[0], /*clique=*/nullptr, 0, {copy});
  streams_.Run(violations_);
  EXPECT_FALSE(IsIdle(0));
  EXPECT_EQ(to, ' ');
  streams_.Add(stream_[1], /*clique=*/nullptr, 0, {copy});
  streams_.Run(violations_);
  EXPECT_TRUE(IsIdle(1));
  EXPECT_EQ(to, 'x');
}

TEST_F(FakeNcclWorkTest, AStreamThatIsGoneIsNotIdle) {
  EXPECT_EQ(streams_.num_streams(), 2);
  EXPECT_TRUE(streams_.Destroy(stream_[0]));
  EXPECT_FALSE(streams_.Destroy(stream_[0]));
  EXPECT_FALSE(IsIdle(0));
  EXPECT_EQ(streams_.num_streams(), 1);
}

}  // namespace
}  // namespace eplb
