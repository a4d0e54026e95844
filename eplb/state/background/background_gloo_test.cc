// Ranks that are processes over Gloo, of which one is killed or stopped while
// weights move in the background.

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "collectives/communicator.h"
#include "collectives/gloo.h"
#include "collectives/rendezvous/directory_store.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "eplb/state/background/background_rearrangement.h"
#include "eplb/state/background/serving_rank_test.h"
#include "gtest/gtest.h"
#include "testing/rank_process.h"
#include "testing/temporary_folder.h"

namespace eplb {
namespace {

constexpr int kRanks = 3;
constexpr int kLayers = 6;
constexpr int kSlots = kRanks * 2;
constexpr std::chrono::seconds kTimeout{5};

// One expert per slot, all of them so many ranks further on.
Placement Shifted(int64_t shift) {
  std::vector<int32_t> experts;
  for (int layer = 0; layer < kLayers; ++layer) {
    for (int slot = 0; slot < kSlots; ++slot) {
      experts.push_back((slot + 2 * shift) % kSlots);
    }
  }
  return *Placement::Create(kLayers, kSlots, kSlots, std::move(experts));
}

// How many steps each rank has passed, for all processes to see. The ranks of
// an engine step together; until they are let go, these drift apart by no more
// than a few runs, since a rank that lags would get to a switch only seconds
// later.
class StepsPassed {
 public:
  StepsPassed()
      : shared_(*static_cast<Shared*>(
            mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  StepsPassed(const StepsPassed&) = delete;
  StepsPassed& operator=(const StepsPassed&) = delete;
  ~StepsPassed() { munmap(&shared_, sizeof shared_); }

  void Set(int rank, int64_t step) { shared_.of_ranks[rank] = step; }
  bool IsFarAhead(int64_t step) const {
    return !shared_.are_let_go &&
           std::any_of(shared_.of_ranks.begin(), shared_.of_ranks.end(),
                       [&](int64_t passed) { return step > passed + 100; });
  }
  // Before a rank goes for good.
  void LetGo() { shared_.are_let_go = true; }

 private:
  struct Shared {
    std::array<std::atomic<int64_t>, kRanks> of_ranks;
    std::atomic<bool> are_let_go;
  };
  Shared& shared_;
};

// Serves, with a run after every ten steps, and says how it ends.
class GlooRank {
 public:
  GlooRank(int rank, const std::string& folder, StepsPassed& steps)
      : number_(rank), steps_(steps) {
    GlooJobOptions options;
    options.job_id = "background";
    options.rank = rank;
    options.num_ranks = kRanks;
    factory_ = *GlooCommunicatorFactory::Create(
        options, std::make_shared<DirectoryStore>(folder), clock_);
    rank_ = std::make_unique<ServingRank>(
        Shifted(0), rank, kRanks, clock_,
        [this](uint64_t attempt,
               SteadyTime deadline) -> absl::StatusOr<ShuffleChannels> {
          std::vector<int> members(kRanks);
          std::iota(members.begin(), members.end(), 0);
          EPLB_ASSIGN_OR_RETURN(
              std::unique_ptr<Communicator> communicator,
              factory_->Connect(attempt + 1, members, deadline));
          return ChannelsOver(std::move(communicator), attempt + 1);
        });
  }

  absl::Status Start() { return rank_->Start({.operation_timeout = kTimeout}); }

  // Until `is_done`, or until a failure is told. Every row is checked in every
  // step.
  absl::Status Serve(const std::function<bool()>& is_done) {
    while (!is_done()) {
      EPLB_RETURN_IF_ERROR(rank_->background().TakeFailure());
      std::this_thread::yield();  // To the worker.
      if (steps_.IsFarAhead(step_)) continue;
      EPLB_RETURN_IF_ERROR(rank_->Pass(++step_));
      rank_->MayRun(step_, step_ % 10 == 0, Shifted(step_));
      steps_.Set(number_, step_);
    }
    return absl::OkStatus();
  }

  bool HoldsWhatItRoutesBy() const { return rank_->FindWrongRow().empty(); }
  int64_t runs_completed() const { return rank_->runs_completed(); }
  SteadyTime Now() const { return clock_.Now(); }

 private:
  const int number_;
  StepsPassed& steps_;
  SystemClock clock_;
  std::unique_ptr<GlooCommunicatorFactory> factory_;
  std::unique_ptr<ServingRank> rank_;
  int64_t step_ = 0;
};

std::string OneLine(const absl::Status& status) {
  std::string text = status.ToString();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// A process per rank that serves, and says "serving" after a run, then what it
// was told, and whether its rows are right.
std::unique_ptr<RankProcess> StartRank(int rank, const std::string& folder,
                                       StepsPassed& steps) {
  return std::make_unique<RankProcess>(
      [rank, folder, &steps](ParentLink& parent) {
        GlooRank gloo_rank(rank, folder, steps);
        const absl::Status started = gloo_rank.Start();
        if (!started.ok()) return parent.Say(OneLine(started));
        const absl::Status warm =
            gloo_rank.Serve([&] { return gloo_rank.runs_completed() > 0; });
        parent.Say(warm.ok() ? "serving" : OneLine(warm));
        // A rank that is told nothing ends before its process would be killed.
        const SteadyTime until = gloo_rank.Now() + std::chrono::seconds(40);
        const absl::Status told =
            gloo_rank.Serve([&] { return gloo_rank.Now() >= until; });
        parent.Say(OneLine(told));
        parent.Say(gloo_rank.HoldsWhatItRoutesBy() ? "right" : "wrong");
        parent.WaitForGo();
      });
}

class BackgroundGlooTest : public ::testing::Test {
 protected:
  BackgroundGlooTest() {
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks_.push_back(StartRank(rank, folder_.path(), steps_));
    }
    for (const auto& rank : ranks_) EXPECT_EQ(rank->Hear(), "serving");
  }

  void Lose(int rank, int signal) {
    steps_.LetGo();
    ranks_[rank]->Signal(signal);
  }

  // What a rank says after a peer is gone: an error, within the timeout, and
  // that its rows are right.
  void ExpectToldAndRight(RankProcess& rank) {
    const std::string told = rank.Hear();
    EXPECT_NE(told, "OK");
    EXPECT_FALSE(absl::StrContains(told, "DATA_LOSS")) << told;
    EXPECT_EQ(rank.Hear(), "right");
  }

  const TemporaryFolder folder_;
  StepsPassed steps_;
  std::vector<std::unique_ptr<RankProcess>> ranks_;
};

TEST_F(BackgroundGlooTest, AKilledRankIsNoticedAndNoRowIsWrong) {
  Lose(1, SIGKILL);
  ExpectToldAndRight(*ranks_[0]);
  ExpectToldAndRight(*ranks_[2]);
}

TEST_F(BackgroundGlooTest, AStoppedRankIsNoticedByAllAndComesBackRight) {
  Lose(2, SIGSTOP);
  ExpectToldAndRight(*ranks_[0]);
  ExpectToldAndRight(*ranks_[1]);
  ranks_[2]->Signal(SIGCONT);
  ExpectToldAndRight(*ranks_[2]);
}

}  // namespace
}  // namespace eplb
