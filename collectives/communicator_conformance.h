// The rules of Communicator as tests, which every backend and every decorator
// passes. A test of a backend lists what it runs on and instantiates them:
//
//   INSTANTIATE_TEST_SUITE_P(
//       InProcess, CommunicatorConformanceTest,
//       testing::Values(ConformanceBackend{
//           .name = "in_process",
//           .make_job = [](int num_ranks, Clock& clock) { ... }}),
//       ConformanceBackendName);
//
// Ranks run as threads of the test. A rule that a backend cannot keep is
// listed with the reason; the tests of it are skipped with that reason, and
// the suite prints how many were.

#ifndef EPLB_COLLECTIVES_COMMUNICATOR_CONFORMANCE_H_
#define EPLB_COLLECTIVES_COMMUNICATOR_CONFORMANCE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "collectives/conformance_memory.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gtest/gtest.h"

namespace eplb {

// What some backends cannot do.
enum class ConformanceRule {
  kSeveralRanks,   // More than one rank.
  kComparesCalls,  // Calls that do not fit together fail on all ranks.
  kTellsOthers,    // Other ranks learn of a failure before their deadline.
  kNamesMissing,   // A deadline names the ranks that did not call.
  kNamesAwaited,   // So does a call that is pending, when asked.
};

struct ConformanceBackend {
  std::string name;

  // The factories of a job's ranks. All time that the backend looks at comes
  // from `clock`, and each call looks at it after it has begun.
  std::function<std::vector<std::unique_ptr<CommunicatorFactory>>(int num_ranks,
                                                                  Clock& clock)>
      make_job;

  // Of the numbers of ranks that tests go through, those from the first to the
  // second.
  int min_ranks = 1;
  int max_ranks = 16;

  // Rules that it cannot keep, each with the reason.
  std::map<ConformanceRule, std::string> exceptions = {};

  // Where buffers lie, and a space that it does not serve and must refuse.
  ConformanceMemory memory = {};
  MemorySpace refused = MemorySpace::kDevice;

  friend void PrintTo(const ConformanceBackend& backend, std::ostream* os) {
    *os << backend.name;
  }
};

std::string ConformanceBackendName(
    const testing::TestParamInfo<ConformanceBackend>& info);

// A factory whose communicators are those of `factory`, decorated.
std::unique_ptr<CommunicatorFactory> DecoratedFactory(
    std::unique_ptr<CommunicatorFactory> factory,
    std::function<std::unique_ptr<Communicator>(std::unique_ptr<Communicator>,
                                                uint64_t epoch)>
        decorate);

// The machine's clock, which also counts how often it was looked at, so that a
// test can wait until a call has begun. Thread-safe.
class WatchedClock final : public Clock {
 public:
  SteadyTime Now() const override;
  bool WaitUntil(absl::CondVar& changed, absl::Mutex& mutex,
                 SteadyTime deadline) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  int64_t looks() const;
  void WaitForLooks(int64_t count) const;

 private:
  SystemClock clock_;
  mutable absl::Mutex mutex_;
  mutable absl::CondVar looked_;
  mutable int64_t looks_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A call with everything it needs, of the same shape on every rank.
struct ConformanceCall {
  std::string name;
  std::function<absl::Status(Communicator&, SteadyTime deadline)> run;
};

class CommunicatorConformanceTest
    : public testing::TestWithParam<ConformanceBackend> {
 public:
  static void TearDownTestSuite();

 protected:
  using RankBody = std::function<absl::Status(Communicator&)>;

  // Every call, small and large where that may differ.
  std::vector<ConformanceCall> AllCalls() const;

  // Where the buffers of this backend lie.
  const ConformanceMemory& memory() const { return GetParam().memory; }

  // Those of 1, 2, 3, 4, 7, 8, 16 that the backend runs, from `min_ranks`.
  std::vector<int> RankCounts(int min_ranks = 1) const;

  // Far enough that only a hang gets there; and near, for tests that get there.
  SteadyTime Far() const;
  SteadyTime Near() const;

  // Runs `body` on a thread per rank over a new job, and returns what each
  // returned. No communicator is destroyed before all have returned.
  std::vector<absl::Status> RunRanks(int num_ranks, const RankBody& body);
  std::vector<absl::StatusOr<std::unique_ptr<Communicator>>> ConnectAll(
      int num_ranks);

  // As RunRanks; all must return OK.
  void RunRanksOk(int num_ranks, const RankBody& body);

  // Whether the test goes on; otherwise it is to return at once, skipped.
  bool CanKeep(ConformanceRule rule);

  WatchedClock clock_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_COMMUNICATOR_CONFORMANCE_H_
