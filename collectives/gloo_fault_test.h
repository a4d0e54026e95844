// What the fault tests of the gloo backend share: ranks as processes, over each
// of the ways to run it, and what a survivor reports.
//
//   TEST_P(GlooFaultTest, APeerKilledBetweenMessages) {
//     const auto ranks = StartRanks(3, kLate);
//     ranks[1]->Signal(SIGKILL);
//     for (const int rank : {0, 2}) ranks[rank]->Go();
//     EXPECT_THAT(ranks[0]->Hear(), EndsInTime("UNAVAILABLE", "rank 1"));
//   }

#ifndef EPLB_COLLECTIVES_GLOO_FAULT_TEST_H_
#define EPLB_COLLECTIVES_GLOO_FAULT_TEST_H_

#include <sched.h>
#include <sys/mman.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "collectives/checked.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "collectives/rendezvous/redis_store.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/redis_server.h"
#include "testing/temporary_folder.h"

namespace eplb {

// A deadline that tests wait for, and one that only a hang gets to.
inline constexpr std::chrono::milliseconds kSoon(1500);
inline constexpr std::chrono::milliseconds kLate(20'000);
inline constexpr std::chrono::milliseconds kGrace(1000);

inline constexpr size_t kSmall = 1000;
inline constexpr uint8_t kSent = 0x5a;

// Memory that the test and its ranks see, zero at first.
class SharedBytes {
 public:
  explicit SharedBytes(size_t size)
      : size_(size),
        data_(static_cast<volatile uint8_t*>(
            mmap(nullptr, size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;
  ~SharedBytes() { munmap(data(), size_); }

  size_t size() const { return size_; }
  void* data() const { return const_cast<uint8_t*>(data_); }
  volatile uint8_t* bytes() const { return data_; }

  // Waits until the byte at `offset` has come; false when no call takes so
  // long, and a rank must have failed.
  bool WaitForByte(size_t offset) const {
    SystemClock clock;
    const SteadyTime limit = clock.Now() + kLate + kGrace;
    while (data_[offset] != kSent) {
      if (clock.Now() >= limit) return false;
      sched_yield();
    }
    return true;
  }

 private:
  const size_t size_;
  volatile uint8_t* const data_;
};

// One way to run the backend.
struct GlooFaultCase {
  std::string name;
  bool is_checked = false;
  bool meets_in_redis = false;

  friend void PrintTo(const GlooFaultCase& fault_case, std::ostream* os) {
    *os << fault_case.name;
  }
};

using StoreMaker = std::function<std::shared_ptr<RendezvousStore>(Clock&)>;

// A rank, as it runs in its process. Measures its last call.
class FaultRank {
 public:
  FaultRank(GlooJobOptions options, const StoreMaker& make_store,
            bool is_checked)
      : is_checked_(is_checked), members_(options.num_ranks) {
    std::iota(members_.begin(), members_.end(), 0);
    factory_ = *GlooCommunicatorFactory::Create(std::move(options),
                                                make_store(clock_), clock_);
  }

  absl::Status Connect(uint64_t epoch, const std::vector<int>& members,
                       std::chrono::milliseconds timeout) {
    return Measure(timeout, [&](SteadyTime deadline) {
      absl::StatusOr<std::unique_ptr<Communicator>> communicator =
          factory_->Connect(epoch, members, deadline);
      if (!communicator.ok()) return communicator.status();
      communicator_ = *std::move(communicator);
      if (is_checked_) {
        auto checked =
            std::make_unique<CheckedCommunicator>(std::move(communicator_));
        checked->context().epoch = epoch;
        context_ = &checked->context();
        communicator_ = std::move(checked);
      }
      return absl::OkStatus();
    });
  }
  absl::Status Connect(std::chrono::milliseconds timeout) {
    return Connect(/*epoch=*/1, members_, timeout);
  }

  // Sends kSmall bytes to the next rank, and receives as many from the one
  // before into `received`.
  absl::Status PassOn(std::vector<uint8_t>& received,
                      std::chrono::milliseconds timeout) {
    const int size = communicator_->size();
    const int rank = communicator_->rank();
    const std::vector<uint8_t> sent(kSmall, kSent);
    received.resize(kSmall);
    return Measure(timeout, [&](SteadyTime deadline) {
      return communicator_->Exchange(
          {SendMessage{(rank + 1) % size, {sent.data(), kSmall}}},
          {ReceiveMessage{(rank + size - 1) % size, {received.data(), kSmall}}},
          deadline);
    });
  }

  // Runs `call`, which has `timeout`.
  absl::Status Measure(std::chrono::milliseconds timeout,
                       const std::function<absl::Status(SteadyTime)>& call) {
    const SteadyTime begin = clock_.Now();
    const absl::Status status = call(begin + timeout);
    elapsed_ = std::chrono::duration_cast<std::chrono::milliseconds>(
        clock_.Now() - begin);
    is_in_time_ = elapsed_ <= timeout + kGrace;
    return status;
  }

  // One line: the status, and whether the last call kept to its deadline.
  std::string Report(const absl::Status& status) const {
    return absl::StrReplaceAll(
        absl::StrCat(status.ToString(), " [",
                     is_in_time_ ? "in time" : "too late", " after ",
                     elapsed_.count(), " ms]"),
        {{"\n", " "}});
  }

  // As Report, and whether `received` still holds its zeros.
  std::string Report(const absl::Status& status,
                     const std::vector<uint8_t>& received) const {
    const bool is_untouched = received == std::vector<uint8_t>(received.size());
    const bool is_whole =
        received == std::vector<uint8_t>(received.size(), kSent);
    return absl::StrCat(
        Report(status),
        is_untouched ? " untouched" : (is_whole ? " received" : " damaged"));
  }

  Communicator& communicator() { return *communicator_; }
  // Of a checked communicator.
  CheckContext& context() { return *context_; }
  int64_t num_strangers() const { return factory_->num_strangers(); }
  void DestroyCommunicator() { communicator_ = nullptr; }

 private:
  const bool is_checked_;
  SystemClock clock_;
  std::vector<int> members_;
  std::unique_ptr<GlooCommunicatorFactory> factory_;
  std::unique_ptr<Communicator> communicator_;
  CheckContext* context_ = nullptr;
  std::chrono::milliseconds elapsed_{0};
  bool is_in_time_ = false;
};

using Ranks = std::vector<std::unique_ptr<RankProcess>>;

class GlooFaultTest : public testing::TestWithParam<GlooFaultCase> {
 protected:
  void SetUp() override {
    if (!GetParam().meets_in_redis) return;
    if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server here";
    redis_ = std::make_unique<RedisServer>();
  }

  std::shared_ptr<RendezvousStore> MakeStore(Clock& clock) const {
    if (redis_ == nullptr) {
      return std::make_shared<DirectoryStore>(folder_.path());
    }
    return std::make_shared<RedisStore>(
        RedisStoreOptions{.address = redis_->address()}, clock);
  }

  static GlooJobOptions OptionsOf(int rank, int num_ranks) {
    GlooJobOptions options;
    options.job_id = "faults";
    options.rank = rank;
    options.num_ranks = num_ranks;
    options.secret = "only ranks know";
    options.progress_timeout = kLate;
    return options;
  }

  FaultRank MakeRank(const GlooJobOptions& options) const {
    return FaultRank(
        options, [this](Clock& clock) { return MakeStore(clock); },
        GetParam().is_checked);
  }

  // A process with the rank, connected; `body` goes on from there, and the
  // process stays until it is told to go.
  using RankBody = std::function<void(FaultRank&, ParentLink&)>;
  std::unique_ptr<RankProcess> StartRank(const GlooJobOptions& options,
                                         const RankBody& body) const {
    return std::make_unique<RankProcess>([&, this](ParentLink& parent) {
      FaultRank self = MakeRank(options);
      parent.Say(self.Connect(kLate).ToString());
      body(self, parent);
      parent.WaitForGo();
    });
  }

  // A process for each rank, all connected.
  Ranks StartRanks(int num_ranks, const RankBody& body) const {
    Ranks ranks;
    for (int rank = 0; rank < num_ranks; ++rank) {
      ranks.push_back(StartRank(OptionsOf(rank, num_ranks), body));
    }
    for (const auto& rank : ranks) EXPECT_EQ(rank->Hear(), "OK");
    return ranks;
  }

  // Those wait to be told, pass a small message on and report.
  Ranks StartRanks(int num_ranks, std::chrono::milliseconds timeout) const {
    return StartRanks(num_ranks, [=](FaultRank& self, ParentLink& parent) {
      parent.WaitForGo();
      std::vector<uint8_t> received(kSmall);
      const absl::Status status = self.PassOn(received, timeout);
      parent.Say(self.Report(status, received));
    });
  }

  // A report of an error of `code` that names `who`, before its deadline and a
  // second were over.
  static testing::Matcher<std::string> EndsInTime(const std::string& code,
                                                  const std::string& who) {
    return testing::AllOf(testing::StartsWith(code + ":"),
                          testing::HasSubstr(who),
                          testing::HasSubstr("[in time"));
  }
  static testing::Matcher<std::string> EndsInTimeUntouched(
      const std::string& code, const std::string& who) {
    return testing::AllOf(EndsInTime(code, who),
                          testing::EndsWith(" untouched"));
  }

  TemporaryFolder folder_;
  std::unique_ptr<RedisServer> redis_;
};

inline const GlooFaultCase kPlainGloo = {.name = "gloo"};
inline const GlooFaultCase kCheckedGloo = {.name = "checked_gloo",
                                           .is_checked = true};
inline const GlooFaultCase kCheckedGlooOverRedis = {
    .name = "checked_gloo_over_redis",
    .is_checked = true,
    .meets_in_redis = true};
inline const auto kGlooFaultCases =
    testing::Values(kPlainGloo, kCheckedGloo, kCheckedGlooOverRedis);
inline const auto kCheckedGlooFaultCases =
    testing::Values(kCheckedGloo, kCheckedGlooOverRedis);

inline std::string GlooFaultCaseName(
    const testing::TestParamInfo<GlooFaultCase>& info) {
  return info.param.name;
}

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_GLOO_FAULT_TEST_H_
