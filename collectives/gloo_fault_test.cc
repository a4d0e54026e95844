// Faults of real processes: ranks that are killed, stopped, missing, double or
// of another job. Every survivor returns within a second of its deadline, with
// the status and the rank that it names, and has not touched what was not
// accepted.

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr milliseconds kSoon(1500);
constexpr milliseconds kLate(20'000);
// The small message of most tests, and one that takes the wire a while.
constexpr size_t kSmall = 1000;
constexpr size_t kHuge = 512 << 20;
constexpr uint8_t kSent = 0x5a;

// Memory that the test and its ranks see.
class SharedBytes {
 public:
  explicit SharedBytes(size_t size)
      : size_(size),
        data_(static_cast<volatile uint8_t*>(
            mmap(nullptr, size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~SharedBytes() { munmap(data(), size_); }

  void* data() const { return const_cast<uint8_t*>(data_); }
  volatile uint8_t* bytes() const { return data_; }

 private:
  const size_t size_;
  volatile uint8_t* const data_;
};

// A rank, as it runs in its process.
class Rank {
 public:
  Rank(const std::string& folder, int rank, int num_ranks,
       const std::string& job_id = "faults",
       milliseconds progress_timeout = kLate)
      : members_(num_ranks) {
    std::iota(members_.begin(), members_.end(), 0);
    GlooJobOptions options;
    options.job_id = job_id;
    options.rank = rank;
    options.num_ranks = num_ranks;
    options.progress_timeout = progress_timeout;
    factory_ = *GlooCommunicatorFactory::Create(
        options, std::make_shared<DirectoryStore>(folder), clock_);
  }

  absl::Status Connect(uint64_t epoch, std::vector<int> members,
                       milliseconds timeout) {
    begin_ = clock_.Now();
    absl::StatusOr<std::unique_ptr<Communicator>> communicator =
        factory_->Connect(epoch, members, begin_ + timeout);
    end_ = clock_.Now();
    if (!communicator.ok()) return communicator.status();
    communicator_ = *std::move(communicator);
    return absl::OkStatus();
  }
  absl::Status Connect(milliseconds timeout) {
    return Connect(/*epoch=*/1, members_, timeout);
  }

  // Sends `num_bytes` to the next rank and receives as much from the one before
  // into `received`.
  absl::Status PassOn(size_t num_bytes, void* received, milliseconds timeout) {
    const int size = communicator_->size();
    const int rank = communicator_->rank();
    if (sent_.size() < num_bytes) sent_.assign(num_bytes, kSent);
    begin_ = clock_.Now();
    const absl::Status status = communicator_->Exchange(
        {SendMessage{(rank + 1) % size, {sent_.data(), num_bytes}}},
        {ReceiveMessage{(rank + size - 1) % size, {received, num_bytes}}},
        begin_ + timeout);
    end_ = clock_.Now();
    return status;
  }

  Communicator& communicator() { return *communicator_; }
  std::vector<uint8_t>& sent() { return sent_; }
  void Begin() { begin_ = clock_.Now(); }
  void End() { end_ = clock_.Now(); }
  SteadyTime In(milliseconds timeout) { return clock_.Now() + timeout; }

  // One line: the status, and whether the last call kept to its deadline.
  std::string Report(const absl::Status& status, milliseconds timeout) const {
    const auto elapsed =
        std::chrono::duration_cast<milliseconds>(end_ - begin_);
    return absl::StrReplaceAll(
        absl::StrCat(
            status.ToString(), " [",
            elapsed <= timeout + milliseconds(1000) ? "in time" : "too late",
            " after ", elapsed.count(), " ms]"),
        {{"\n", " "}});
  }

 private:
  SystemClock clock_;
  std::vector<int> members_;
  std::unique_ptr<GlooCommunicatorFactory> factory_;
  std::unique_ptr<Communicator> communicator_;
  std::vector<uint8_t> sent_;
  SteadyTime begin_;
  SteadyTime end_;
};

class GlooFaultTest : public testing::Test {
 protected:
  // Connects, waits, passes a small message on and reports.
  std::unique_ptr<RankProcess> StartRank(int rank, int num_ranks,
                                         milliseconds timeout) {
    return std::make_unique<RankProcess>([=, this](ParentLink& parent) {
      Rank self(folder_.path(), rank, num_ranks);
      parent.Say(self.Connect(kLate).ToString());
      parent.WaitForGo();
      std::vector<uint8_t> received(kSmall);
      const absl::Status status = self.PassOn(kSmall, received.data(), timeout);
      const bool untouched = received == std::vector<uint8_t>(kSmall);
      parent.Say(absl::StrCat(self.Report(status, timeout),
                              untouched ? " untouched" : " received"));
      parent.WaitForGo();
    });
  }

  std::vector<std::unique_ptr<RankProcess>> StartRanks(int num_ranks,
                                                       milliseconds timeout) {
    std::vector<std::unique_ptr<RankProcess>> ranks;
    for (int rank = 0; rank < num_ranks; ++rank) {
      ranks.push_back(StartRank(rank, num_ranks, timeout));
    }
    for (const auto& rank : ranks) EXPECT_EQ(rank->Hear(), "OK");
    return ranks;
  }

  TemporaryFolder folder_;
};

TEST_F(GlooFaultTest, APeerKilledBetweenMessages) {
  const auto ranks = StartRanks(3, kLate);
  ranks[1]->Signal(SIGKILL);
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                AllOf(StartsWith("UNAVAILABLE"), HasSubstr("rank 1"),
                      HasSubstr("in time"), HasSubstr("untouched")));
  }
}

TEST_F(GlooFaultTest, APeerStoppedPastTheDeadlineAndResumed) {
  const auto ranks = StartRanks(3, kSoon);
  ranks[1]->Signal(SIGSTOP);
  for (const auto& rank : ranks) rank->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(),
                AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("rank 1"),
                      HasSubstr("in time"), HasSubstr("untouched")));
  }
  ranks[1]->Signal(SIGCONT);
  // It learns what has happened, and has no part in it.
  EXPECT_THAT(ranks[1]->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("rank"),
                    HasSubstr("untouched")));
}

// The shared part of the tests inside a message: rank 1 sends, rank 0 receives
// into memory where the test can see the bytes come.
class GlooFaultInsideAMessageTest : public GlooFaultTest {
 protected:
  void Start(milliseconds timeout, milliseconds progress_timeout = kLate) {
    sender_ = std::make_unique<RankProcess>([this](ParentLink& parent) {
      Rank self(folder_.path(), 1, 2);
      parent.Say(self.Connect(kLate).ToString());
      // All pages are one: what is sent need not be much memory.
      const SharedBytes source(kHuge);
      static_cast<uint8_t*>(source.data())[0] = kSent;
      self.Begin();
      const absl::Status status = self.communicator().Exchange(
          {SendMessage{0, {source.data(), kHuge}}}, {}, self.In(kLate));
      self.End();
      parent.Say(self.Report(status, kLate));
      parent.WaitForGo();
    });
    receiver_ = std::make_unique<RankProcess>([=, this](ParentLink& parent) {
      Rank self(folder_.path(), 0, 2, "faults", progress_timeout);
      parent.Say(self.Connect(kLate).ToString());
      self.Begin();
      const absl::Status status = self.communicator().Exchange(
          {}, {ReceiveMessage{1, {received_.data(), kHuge}}}, self.In(timeout));
      self.End();
      parent.Say(self.Report(status, timeout));
      parent.WaitForGo();
    });
    EXPECT_EQ(sender_->Hear(), "OK");
    EXPECT_EQ(receiver_->Hear(), "OK");
    // The first byte of the message has come; most others have not.
    while (received_.bytes()[0] != kSent) sched_yield();
  }

  SharedBytes received_{kHuge};
  std::unique_ptr<RankProcess> sender_;
  std::unique_ptr<RankProcess> receiver_;
};

TEST_F(GlooFaultInsideAMessageTest, Killed) {
  Start(kLate);
  sender_->Signal(SIGKILL);
  EXPECT_THAT(receiver_->Hear(),
              AllOf(StartsWith("UNAVAILABLE"), HasSubstr("rank 1"),
                    HasSubstr("in time")));
}

TEST_F(GlooFaultInsideAMessageTest, StoppedPastTheDeadlineAndResumed) {
  Start(kSoon);
  sender_->Signal(SIGSTOP);
  EXPECT_THAT(receiver_->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("rank 1"),
                    HasSubstr("in time")));
  // The call has returned: nothing that comes later may reach its memory.
  received_.bytes()[0] = 0;
  const uint8_t last = received_.bytes()[kHuge - 1];
  sender_->Signal(SIGCONT);
  EXPECT_THAT(sender_->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("rank 0")));
  EXPECT_EQ(received_.bytes()[0], 0);
  EXPECT_EQ(received_.bytes()[kHuge - 1], last);
}

TEST_F(GlooFaultTest, SurvivorsGoOnInTheNextEpochWithoutTheStoppedRank) {
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.push_back(std::make_unique<RankProcess>([=,
                                                   this](ParentLink& parent) {
      Rank self(folder_.path(), rank, 3);
      parent.Say(self.Connect(kLate).ToString());
      parent.WaitForGo();
      std::vector<uint8_t> received(kSmall);
      parent.Say(
          self.Report(self.PassOn(kSmall, received.data(), kSoon), kSoon));
      parent.WaitForGo();
      if (rank == 1) return;
      parent.Say(self.Connect(/*epoch=*/2, {0, 2}, kLate).ToString());
      parent.WaitForGo();
      const absl::Status status = self.PassOn(kSmall, received.data(), kLate);
      parent.Say(received == std::vector<uint8_t>(kSmall, kSent)
                     ? status.ToString()
                     : "wrong bytes");
      parent.WaitForGo();
    }));
  }
  for (const auto& rank : ranks) ASSERT_EQ(rank->Hear(), "OK");
  ranks[1]->Signal(SIGSTOP);
  for (const auto& rank : ranks) rank->Go();
  for (const int rank : {0, 2}) {
    EXPECT_THAT(ranks[rank]->Hear(), StartsWith("DEADLINE_EXCEEDED"));
    ranks[rank]->Go();
  }
  for (const int rank : {0, 2}) EXPECT_EQ(ranks[rank]->Hear(), "OK");
  // What rank 1 sends now is of epoch 1, where nobody is any more.
  ranks[1]->Signal(SIGCONT);
  EXPECT_THAT(ranks[1]->Hear(), StartsWith("DEADLINE_EXCEEDED"));
  for (const int rank : {0, 2}) ranks[rank]->Go();
  for (const int rank : {0, 2}) EXPECT_EQ(ranks[rank]->Hear(), "OK");
}

TEST_F(GlooFaultTest, ARankThatIsAbsentAtTheStart) {
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (const int rank : {0, 2}) {
    ranks.push_back(
        std::make_unique<RankProcess>([=, this](ParentLink& parent) {
          Rank self(folder_.path(), rank, 3);
          const absl::Status status = self.Connect(kSoon);
          parent.Say(self.Report(status, kSoon));
          parent.WaitForGo();
        }));
  }
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), AllOf(StartsWith("DEADLINE_EXCEEDED"),
                                    HasSubstr("rank 1"), HasSubstr("in time")));
  }
}

TEST_F(GlooFaultTest, ASecondProcessOfTheSameRankIsTurnedAway) {
  const auto ranks = StartRanks(2, kLate);
  RankProcess second([this](ParentLink& parent) {
    Rank self(folder_.path(), 1, 2);
    const absl::Status status = self.Connect(kLate);
    parent.Say(self.Report(status, milliseconds(0)));
  });
  EXPECT_THAT(second.Hear(), AllOf(StartsWith("ALREADY_EXISTS"),
                                   HasSubstr("rank 1"), HasSubstr("in time")));
  // The job goes on.
  for (const auto& rank : ranks) rank->Go();
  for (const auto& rank : ranks) {
    EXPECT_THAT(rank->Hear(), AllOf(StartsWith("OK"), HasSubstr("received")));
  }
}

TEST_F(GlooFaultTest, RanksOfJobsOfDifferentSizes) {
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (const int rank : {0, 1}) {
    ranks.push_back(
        std::make_unique<RankProcess>([=, this](ParentLink& parent) {
          Rank self(folder_.path(), rank, /*num_ranks=*/2 + rank);
          const absl::Status status = self.Connect(kLate);
          parent.Say(self.Report(status, milliseconds(0)));
          parent.WaitForGo();
        }));
  }
  for (const int rank : {0, 1}) {
    EXPECT_THAT(
        ranks[rank]->Hear(),
        AllOf(StartsWith("FAILED_PRECONDITION"),
              HasSubstr(absl::StrCat("rank ", 1 - rank)), HasSubstr("of 2"),
              HasSubstr("of 3"), HasSubstr("in time")));
  }
}

TEST_F(GlooFaultTest, TheRemainsOfAKilledJob) {
  {
    const auto ranks = StartRanks(2, kLate);
    for (const auto& rank : ranks) rank->Signal(SIGKILL);
  }
  const auto start = [this](int rank, const std::string& job_id) {
    return std::make_unique<RankProcess>([=, this](ParentLink& parent) {
      Rank self(folder_.path(), rank, 2, job_id);
      const absl::Status status = self.Connect(kLate);
      parent.Say(self.Report(status, milliseconds(0)));
      parent.WaitForGo();
    });
  };
  // Under the same job id nobody connects to who was there before.
  for (const int rank : {0, 1}) {
    EXPECT_THAT(start(rank, "faults")->Hear(),
                AllOf(StartsWith("ALREADY_EXISTS"),
                      HasSubstr(absl::StrCat("rank ", rank)),
                      HasSubstr("job id"), HasSubstr("in time")));
  }
  // Another job in the same directory does not see the remains.
  const auto first = start(0, "faults-2");
  const auto second = start(1, "faults-2");
  EXPECT_THAT(first->Hear(), StartsWith("OK"));
  EXPECT_THAT(second->Hear(), StartsWith("OK"));
}

TEST_F(GlooFaultInsideAMessageTest, StoppedLongerThanPiecesMayTake) {
  Start(kLate, /*progress_timeout=*/kSoon);
  sender_->Signal(SIGSTOP);
  EXPECT_THAT(receiver_->Hear(),
              AllOf(StartsWith("DEADLINE_EXCEEDED"), HasSubstr("rank 1"),
                    HasSubstr("no progress for 1500 ms")));
}

TEST_F(GlooFaultInsideAMessageTest, SlowButProgressingIsNotDead) {
  Start(kLate, /*progress_timeout=*/kSoon);
  // Each stop is short against what counts as no progress; all of them
  // together are longer.
  for (int i = 0; i < 10; ++i) {
    sender_->Signal(SIGSTOP);
    poll(nullptr, 0, /*timeout=*/200);
    sender_->Signal(SIGCONT);
    poll(nullptr, 0, /*timeout=*/10);
  }
  EXPECT_THAT(receiver_->Hear(), StartsWith("OK"));
  EXPECT_THAT(sender_->Hear(), StartsWith("OK"));
}

}  // namespace
}  // namespace eplb
