#include "collectives/control_channel.h"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/scoped_no_more_files.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::pair<Socket, Socket> Connection() {
  int fds[2];
  EXPECT_EQ(
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
      0);
  return {Socket(fds[0]), Socket(fds[1])};
}

class ControlChannelTest : public testing::Test {
 protected:
  // The channels of connected ranks.
  void Connect(int num_ranks) {
    std::vector<std::vector<Socket>> sockets(num_ranks);
    for (auto& of_rank : sockets) of_rank.resize(num_ranks);
    for (int a = 0; a < num_ranks; ++a) {
      for (int b = a + 1; b < num_ranks; ++b) {
        std::tie(sockets[a][b], sockets[b][a]) = Connection();
      }
    }
    for (int rank = 0; rank < num_ranks; ++rank) {
      channels_.push_back(*ControlChannel::Create(
          "the channel", rank, std::move(sockets[rank]), clock_));
    }
  }

  // Rank 0's channel to a rank 1 whose bytes the test writes itself.
  Socket ConnectToTheTest() {
    std::pair<Socket, Socket> connection = Connection();
    std::vector<Socket> sockets(2);
    sockets[1] = std::move(connection.first);
    channels_.push_back(
        *ControlChannel::Create("the channel", 0, std::move(sockets), clock_));
    return std::move(connection.second);
  }

  absl::StatusOr<std::vector<std::string>> Gather(int rank,
                                                  const std::string& mine) {
    return channels_[rank]->Gather(mine, Far());
  }

  SteadyTime Far() { return clock_.Now() + std::chrono::seconds(20); }

  SystemClock clock_;
  std::vector<std::unique_ptr<ControlChannel>> channels_;
};

// A frame on the wire, with numbers below 256.
std::string Frame(uint8_t kind, uint8_t code, uint8_t round,
                  absl::string_view content) {
  std::string bytes(16, '\0');
  bytes[0] = static_cast<char>(content.size());
  bytes[4] = static_cast<char>(kind);
  bytes[5] = static_cast<char>(code);
  bytes[8] = static_cast<char>(round);
  return absl::StrCat(bytes, content);
}
constexpr uint8_t kRound = 1;
constexpr uint8_t kEnd = 2;

TEST_F(ControlChannelTest, GathersWhatEveryRankSaysInRankOrder) {
  Connect(3);
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([&, rank] {
      for (int round = 0; round < 50; ++round) {
        channels_[rank]->BeginCall();
        EPLB_ASSERT_OK_AND_ASSIGN(
            const std::vector<std::string> all,
            Gather(rank, std::string(rank * 100, 'a' + round % 26)));
        for (int other = 0; other < 3; ++other) {
          EXPECT_EQ(all[other], std::string(other * 100, 'a' + round % 26));
        }
        channels_[rank]->FinishCall();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
}

TEST_F(ControlChannelTest, CarriesTheLargestWord) {
  Connect(2);
  const std::string word(ControlChannel::kMaxRoundBytes, 'x');
  std::thread rank_1([&] {
    EPLB_ASSERT_OK_AND_ASSIGN(const auto all, Gather(1, ""));
    EXPECT_EQ(all[0], word);
  });
  EPLB_EXPECT_OK(Gather(0, word));
  rank_1.join();
}

TEST_F(ControlChannelTest, NamesTheSilentRanksAtTheDeadline) {
  Connect(4);
  std::thread rank_2([&] {
    EXPECT_FALSE(channels_[2]
                     ->Gather("", clock_.Now() + std::chrono::milliseconds(50))
                     .ok());
  });
  EXPECT_THAT(
      channels_[0]->Gather("", clock_.Now() + std::chrono::milliseconds(50)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("3")));
  rank_2.join();
}

TEST_F(ControlChannelTest, TheFirstFailureReachesAllRanksWithItsCode) {
  Connect(3);
  channels_[1]->Fail(absl::DataLossError("my disk"),
                     absl::DataLossError("its disk"));
  channels_[1]->Fail(absl::InternalError("later"),
                     absl::InternalError("later"));
  EXPECT_THAT(Gather(1, ""), StatusIs(absl::StatusCode::kDataLoss, "my disk"));
  for (const int rank : {0, 2}) {
    EXPECT_THAT(Gather(rank, ""),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("rank 1"), HasSubstr("its disk"))));
  }
}

TEST_F(ControlChannelTest, AFailureInterruptsWhatIsUnderWay) {
  Connect(2);
  std::atomic<int> num_interrupts = 0;
  channels_[0]->BeginCall();
  channels_[0]->SetInterrupt(
      [&](const absl::Status& /*failure*/) { ++num_interrupts; });
  EXPECT_EQ(num_interrupts, 0);
  channels_[1]->Fail(absl::AbortedError("enough"),
                     absl::AbortedError("enough"));
  EXPECT_THAT(channels_[0]->WaitForFailure(Far()),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("rank 1")));
  EXPECT_GE(num_interrupts, 1);
  // One that is set too late is told at once.
  absl::Status first_told;
  channels_[0]->SetInterrupt([&](const absl::Status& failure) {
    if (first_told.ok()) first_told = failure;
  });
  EXPECT_THAT(first_told, StatusIs(absl::StatusCode::kAborted,
                                   HasSubstr("rank 1: enough")));
  // While what the interrupts touch is there.
  channels_.clear();
}

TEST_F(ControlChannelTest, ARankThatLeavesAfterTheCallIsNotMissedInIt) {
  // Its last word and its leaving come together, now and then.
  for (int i = 0; i < 50; ++i) {
    channels_.clear();
    Connect(2);
    for (const auto& channel : channels_) channel->BeginCall();
    std::thread rank_1([&] {
      EPLB_EXPECT_OK(Gather(1, "last word"));
      channels_[1]->FinishCall();
      channels_[1] = nullptr;
    });
    EPLB_ASSERT_OK_AND_ASSIGN(const auto all, Gather(0, ""));
    EXPECT_THAT(all, ElementsAre("", "last word"));
    channels_[0]->FinishCall();
    EXPECT_THAT(Gather(0, ""),
                StatusIs(absl::StatusCode::kUnavailable,
                         AllOf(HasSubstr("rank 1"), HasSubstr("left"))));
    rank_1.join();
  }
}

TEST_F(ControlChannelTest, AConnectionThatIsCutOffIsUnavailable) {
  { const Socket peer = ConnectToTheTest(); }
  EXPECT_THAT(Gather(0, ""),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("rank 1"), HasSubstr("lost"))));
}

TEST_F(ControlChannelTest, AcceptsAFrameInAnyPortions) {
  const Socket peer = ConnectToTheTest();
  const std::string bytes = Frame(kRound, 0, 0, "in portions");
  for (const char byte : bytes) {
    EPLB_ASSERT_OK(WriteAll(peer, std::string(1, byte), clock_, Far()));
  }
  EXPECT_THAT(*Gather(0, "mine"), ElementsAre("mine", "in portions"));
}

TEST_F(ControlChannelTest, RefusesWhatNoRankSays) {
  std::string too_long = Frame(kRound, 0, 0, "");
  too_long[3] = 0x7f;
  const std::string cases[] = {
      too_long,
      Frame(/*kind=*/7, 0, 0, "of no kind"),
      Frame(kRound, 0, /*round=*/1, "of a later round"),
      Frame(kEnd, /*code=*/0, 0, "ends with OK"),
  };
  for (const std::string& bytes : cases) {
    SCOPED_TRACE(bytes.substr(16));
    channels_.clear();
    const Socket peer = ConnectToTheTest();
    EPLB_ASSERT_OK(WriteAll(peer, bytes, clock_, Far()));
    EXPECT_THAT(Gather(0, ""),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("rank 1")));
  }
}

TEST_F(ControlChannelTest, SaysWhenFileDescriptorsHaveRunOut) {
  absl::Status refused;
  {
    const ScopedNoMoreFiles no_more_files;
    refused =
        ControlChannel::Create("the channel", 0, std::vector<Socket>(1), clock_)
            .status();
  }
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("ulimit -n")));
}

}  // namespace
}  // namespace eplb
