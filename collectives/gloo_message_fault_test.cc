// Faults inside a message: rank 1 sends rank 0 a large message, and then a
// small one, and something happens when the first byte has come. Rank 0 gets
// the status and the rank in time; what it received is the beginning of the
// large message, and nothing behind it was touched.

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/gloo_fault_test.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"

namespace eplb {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// One that takes the wire a while: a tenth of a second at least.
constexpr size_t kHuge = 512 << 20;

bool IsZero(const char* begin, const char* end) {
  return *begin == 0 && std::memcmp(begin, begin + 1, end - begin - 1) == 0;
}

// Whether the shared memory from `begin` to `end` still is what it was at
// first, zero. Looks only at pages that have memory: one that nobody touched
// has none, and reading it would give it some.
bool IsUntouched(const char* begin, const char* end) {
  const size_t page = sysconf(_SC_PAGESIZE);
  const char* const first = begin - reinterpret_cast<uintptr_t>(begin) % page;
  std::vector<unsigned char> has_memory((end - first + page - 1) / page);
  if (mincore(const_cast<char*>(first), end - first, has_memory.data()) != 0) {
    return IsZero(begin, end);
  }
  for (size_t i = 0; i < has_memory.size(); ++i) {
    if (has_memory[i] % 2 == 1 &&
        !IsZero(std::max(begin, first + i * page),
                std::min(end, first + (i + 1) * page))) {
      return false;
    }
  }
  return true;
}

class GlooMessageFaultTest : public GlooFaultTest {
 protected:
  // What is sent is the same for every test.
  static void SetUpTestSuite() {
    source_ = std::make_unique<SharedBytes>(kHuge + kSmall);
    std::memset(source_->data(), kSent, kHuge + kSmall);
  }
  static void TearDownTestSuite() { source_ = nullptr; }

  // What the receiver does from a second thread, when it is told to.
  using Meanwhile = void (*)(FaultRank&);

  // Returns when the first byte of the large message has come.
  void Start(milliseconds timeout, milliseconds progress_timeout = kLate,
             Meanwhile meanwhile = nullptr) {
    uint8_t* const source = static_cast<uint8_t*>(source_->data());
    uint8_t* const received = static_cast<uint8_t*>(received_.data());
    sender_ = StartRank(OptionsOf(1, 2), [=, this](FaultRank& self,
                                                   ParentLink& parent) {
      const absl::Status status = self.Measure(kLate, [&](SteadyTime deadline) {
        return self.communicator().Exchange(
            {SendMessage{0, {source, large_}},
             SendMessage{0, {source + large_, kSmall}}},
            {}, deadline);
      });
      parent.Say(self.Report(status));
    });
    GlooJobOptions options = OptionsOf(0, 2);
    options.progress_timeout = progress_timeout;
    receiver_ =
        StartRank(options, [=, this](FaultRank& self, ParentLink& parent) {
          std::thread other;
          if (meanwhile != nullptr) {
            other = std::thread([&] {
              parent.WaitForGo();
              meanwhile(self);
            });
          }
          const absl::Status status =
              self.Measure(timeout, [&](SteadyTime deadline) {
                return self.communicator().Exchange(
                    {},
                    {ReceiveMessage{1, {received, large_}},
                     ReceiveMessage{1, {received + large_, kSmall}}},
                    deadline);
              });
          if (other.joinable()) other.join();
          parent.Say(self.Report(status));
        });
    EXPECT_EQ(sender_->Hear(), "OK");
    EXPECT_EQ(receiver_->Hear(), "OK");
    EXPECT_TRUE(received_.WaitForByte(0));
  }

  // Up to where bytes have come so far.
  size_t NumArrived() const {
    const char* const begin = static_cast<char*>(received_.data());
    const void* const zero = std::memchr(begin, 0, kHuge + kSmall);
    return zero == nullptr ? kHuge + kSmall
                           : static_cast<const char*>(zero) - begin;
  }

  // As NumArrived, when no more come: the beginning of what was sent, with
  // nothing behind it.
  size_t ReceivedBytes() const {
    const char* const begin = static_cast<char*>(received_.data());
    const char* const end = begin + kHuge + kSmall;
    const char* const reached = begin + NumArrived();
    if (reached == end) return kHuge + kSmall;
    EXPECT_EQ(std::memcmp(begin, source_->data(), reached - begin), 0);
    EXPECT_TRUE(IsUntouched(reached, end))
        << "bytes were touched behind the " << reached - begin
        << " that had come";
    return reached - begin;
  }

  inline static std::unique_ptr<SharedBytes> source_;
  // What the large message holds.
  size_t large_ = kHuge;
  SharedBytes received_{kHuge + kSmall};
  std::unique_ptr<RankProcess> sender_;
  std::unique_ptr<RankProcess> receiver_;
};

INSTANTIATE_TEST_SUITE_P(Backends, GlooMessageFaultTest, kGlooFaultCases,
                         GlooFaultCaseName);

TEST_P(GlooMessageFaultTest, APeerKilledInsideAMessage) {
  Start(kLate);
  sender_->Signal(SIGKILL);
  EXPECT_THAT(receiver_->Hear(), EndsInTime("UNAVAILABLE", "rank 1"));
  EXPECT_LT(ReceivedBytes(), kHuge);
}

TEST_P(GlooMessageFaultTest, APeerStoppedInsideAMessageAndResumed) {
  Start(kSoon);
  sender_->Signal(SIGSTOP);
  EXPECT_THAT(receiver_->Hear(), EndsInTime("DEADLINE_EXCEEDED", "rank 1"));
  const size_t num_received = ReceivedBytes();
  EXPECT_LT(num_received, kHuge);
  sender_->Signal(SIGCONT);
  EXPECT_THAT(sender_->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED:"), HasSubstr("rank 0")));
  // The call had returned: nothing that came later reached its memory.
  EXPECT_EQ(ReceivedBytes(), num_received);
}

TEST_P(GlooMessageFaultTest, APeerStoppedLongerThanPiecesMayTake) {
  Start(kLate, /*progress_timeout=*/kSoon);
  sender_->Signal(SIGSTOP);
  EXPECT_THAT(receiver_->Hear(),
              AllOf(EndsInTime("DEADLINE_EXCEEDED", "rank 1"),
                    HasSubstr("no progress for 1500 ms")));
  EXPECT_LT(ReceivedBytes(), kHuge);
}

TEST_P(GlooMessageFaultTest, APeerThatIsSlowButProgressingIsNotDead) {
  constexpr milliseconds kPatience(2500);
  constexpr milliseconds kStop(700);
  constexpr int kStops = 4;
  constexpr size_t kPiece = 8 << 20;
  static_assert(kStops * kStop > kPatience);
  // It comes to its end here, and this is four times what the stops need.
  large_ = kHuge / 2;
  Start(kLate, /*progress_timeout=*/kPatience);
  // Each stop is short against what counts as no progress; all of them
  // together are longer. In between comes more than one piece.
  size_t next = 0;
  for (int i = 0; i < kStops && next < large_; ++i) {
    sender_->Signal(SIGSTOP);
    poll(nullptr, 0, static_cast<int>(kStop.count()));
    next = NumArrived() + 2 * kPiece;
    sender_->Signal(SIGCONT);
    if (next < large_) {
      ASSERT_TRUE(received_.WaitForByte(next));
    }
  }
  EXPECT_THAT(receiver_->Hear(), StartsWith("OK [in time"));
  EXPECT_THAT(sender_->Hear(), StartsWith("OK [in time"));
  EXPECT_EQ(ReceivedBytes(), large_ + kSmall);
}

// The peer is stopped first, so that the message cannot end by itself.

TEST_P(GlooMessageFaultTest, AbortDuringAnOperationFromAnotherThread) {
  Start(kLate, kLate, [](FaultRank& self) {
    self.communicator().Abort(absl::DataLossError("the disk is full"));
  });
  sender_->Signal(SIGSTOP);
  receiver_->Go();
  EXPECT_THAT(receiver_->Hear(), EndsInTime("DATA_LOSS", "the disk is full"));
  EXPECT_LT(ReceivedBytes(), kHuge);
  sender_->Signal(SIGCONT);
  EXPECT_THAT(sender_->Hear(), AllOf(EndsInTime("DATA_LOSS", "rank 0"),
                                     HasSubstr("the disk is full")));
}

TEST_P(GlooMessageFaultTest, AbortDuringAnOperationTwiceKeepsTheFirstReason) {
  Start(kLate, kLate, [](FaultRank& self) {
    self.communicator().Abort(absl::DataLossError("the disk is full"));
    self.communicator().Abort(absl::InternalError("something else"));
  });
  sender_->Signal(SIGSTOP);
  receiver_->Go();
  EXPECT_THAT(receiver_->Hear(), EndsInTime("DATA_LOSS", "the disk is full"));
  sender_->Signal(SIGCONT);
  EXPECT_THAT(sender_->Hear(), EndsInTime("DATA_LOSS", "rank 0"));
}

TEST_P(GlooMessageFaultTest, ShutdownDuringAnOperationFromAnotherThread) {
  Start(kLate, kLate, [](FaultRank& self) { self.DestroyCommunicator(); });
  sender_->Signal(SIGSTOP);
  receiver_->Go();
  EXPECT_THAT(receiver_->Hear(), EndsInTime("CANCELLED", "destroyed"));
  EXPECT_LT(ReceivedBytes(), kHuge);
  sender_->Signal(SIGCONT);
  EXPECT_THAT(sender_->Hear(), EndsInTime("UNAVAILABLE", "rank 0"));
}

}  // namespace
}  // namespace eplb
