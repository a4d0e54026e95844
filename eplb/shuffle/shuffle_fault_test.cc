// Every failure of one rank at every operation of a shuffle: afterwards each
// layer is, on all survivors, all old or all new, after the next epoch has
// settled what was in doubt; and where it is old, nothing was touched.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/placement.h"
#include "eplb/core/topology.h"
#include "eplb/shuffle/shuffle_group_test.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "eplb/shuffle/weight_shuffler.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

constexpr int kRanks = 3;
constexpr size_t kRowBytes = 1024 + 256;

// One thing that goes wrong on one rank.
struct Injection {
  enum class Place { kControl, kData, kDevice };

  int rank = 0;
  Place place = Place::kControl;
  int64_t operation = 0;
  Fault::Kind kind = Fault::Kind::kFailBefore;

  ChannelFaults faults(int r) const {
    if (r != rank || place == Place::kDevice) return {};
    const std::vector<Fault> script = {
        {.operation = operation, .kind = kind, .bit = 12345}};
    return place == Place::kControl ? ChannelFaults{script, {}}
                                    : ChannelFaults{{}, script};
  }
  bool kills() const { return kind == Fault::Kind::kDie; }

  std::string ToString() const {
    return "rank " + std::to_string(rank) + ", place " +
           std::to_string(static_cast<int>(place)) + ", operation " +
           std::to_string(operation) + ", kind " +
           std::to_string(static_cast<int>(kind));
  }
};

struct Outcome {
  std::atomic<int> in_doubt = 0;
  std::atomic<int> committed_by_epoch = 0;
  std::atomic<int> units_switched = 0;
  int fatal = 0;
};

class ShuffleFaultTest : public ::testing::Test {
 protected:
  void Create(const Injection& injection, MemorySpace space) {
    group_ = std::make_unique<ShuffleGroup>(kRanks, before_);
    std::vector<FaultyDeviceOptions> devices(kRanks, {.memory_space = space});
    if (injection.place == Injection::Place::kDevice) {
      devices[injection.rank].failing_operation = injection.operation;
    }
    group_->CreateRanks(options_, devices);
    for (int r = 0; r < kRanks; ++r) {
      initial_memory_[r].clear();
      for (int layer = 0; layer < before_.num_layers(); ++layer) {
        initial_memory_[r].push_back(group_->rank(r).weights->memory(layer));
      }
    }
  }

  static absl::Status Publish(ShuffleRank& rank, const ShuffleUnit& unit) {
    return rank.Publish(unit);
  }

  // What `r` does in the first epoch.
  void FirstEpoch(const Injection& injection, int r, Outcome& outcome) {
    ShuffleRank& rank = group_->rank(r);
    const ShuffleChannels channels =
        group_->Connect(r, 1, group_->all_ranks(), injection.faults(r));
    const ShuffleUnits units = *rank.shuffler->Plan(after_, topology_, r);
    const ShuffleResult result =
        ShuffleNow(*rank.shuffler, units, 1, channels, *rank.stream,
                   [&](const ShuffleUnit& u) { return Publish(rank, u); });
    outcome.units_switched += result.units_switched;
    is_fatal_[r] = absl::StrContains(result.status.message(),
                                     "committed but not switched");
    outcome.in_doubt += rank.shuffler->is_in_doubt();
    control_operations_[r] = group_->control_operations(r);
    data_operations_[r] = group_->data_operations(r);
  }

  // What a survivor does in a later epoch: settle, and switch what is settled.
  absl::Status Settle(int r, const ShuffleChannels& channels,
                      Outcome& outcome) {
    ShuffleRank& rank = group_->rank(r);
    const absl::StatusOr<EpochOutcome> epoch =
        rank.shuffler->OpenEpoch(channels);
    if (!epoch.ok()) return epoch.status();
    EXPECT_FALSE(rank.shuffler->is_in_doubt());
    if (epoch->unit == nullptr || !epoch->is_committed) {
      return absl::OkStatus();
    }
    ++outcome.committed_by_epoch;
    return rank.shuffler->Switch(
        *epoch->unit, *rank.stream,
        [&](const ShuffleUnit& u) { return Publish(rank, u); });
  }

  // What the slots of the group hold, for a rank whose weights, routes and word
  // agree.
  std::optional<std::vector<int32_t>> ExpertsOf(int r, int layer) {
    const ShuffleRank& rank = group_->rank(r);
    std::vector<int32_t> experts = rank.shuffler->installed_experts(layer);
    if (rank.routes[layer] != experts ||
        !rank.weights->Holds(layer, group_->Local(experts, r))) {
      return std::nullopt;
    }
    return experts;
  }

  void ExpectAlike(const std::vector<int>& survivors) {
    for (int layer = 0; layer < before_.num_layers(); ++layer) {
      const auto old = before_.experts_of_slots(layer);
      const auto first = ExpertsOf(survivors[0], layer);
      ASSERT_TRUE(first.has_value()) << "layer " << layer;
      // A layer that goes in pieces may stand between two of them.
      if (!is_in_pieces_) {
        EXPECT_TRUE(*first == old || *first == after_.experts_of_slots(layer))
            << "layer " << layer;
      }
      for (const int r : survivors) {
        EXPECT_EQ(ExpertsOf(r, layer), first)
            << "layer " << layer << ", rank " << r;
        if (*first != old) continue;
        EXPECT_EQ(group_->rank(r).weights->memory(layer),
                  initial_memory_[r][layer])
            << "layer " << layer << ", rank " << r
            << ": bytes have changed where the layer is old";
      }
    }
  }

  // A rank whose switch failed has no weights, and one that died is not there.
  std::vector<int> Survivors(const Injection& injection) {
    std::vector<int> survivors;
    for (int r = 0; r < kRanks; ++r) {
      const bool is_dead = r == injection.rank && injection.kills();
      if (!is_dead && !is_fatal_[r]) survivors.push_back(r);
    }
    return survivors;
  }

  void RunInjection(const Injection& injection, MemorySpace space,
                    Outcome& outcome) {
    SCOPED_TRACE(injection.ToString());
    Create(injection, space);
    ShuffleGroup::Run(group_->all_ranks(),
                      [&](int r) { FirstEpoch(injection, r, outcome); });
    const std::vector<int> survivors = Survivors(injection);
    outcome.fatal += std::count(is_fatal_, is_fatal_ + kRanks, true);
    // In this epoch nothing fails.
    ShuffleGroup::Run(survivors, [&](int r) {
      const ShuffleChannels channels = group_->Connect(r, 2, survivors);
      EPLB_EXPECT_OK(Settle(r, channels, outcome));
    });
    ExpectAlike(survivors);
    if (survivors.size() < kRanks || testing::Test::HasFailure()) return;
    // All that is left can be moved.
    ShuffleGroup::Run(survivors, [&](int r) {
      ShuffleRank& rank = group_->rank(r);
      const ShuffleChannels channels = group_->Connect(r, 3, survivors);
      EPLB_ASSERT_OK_AND_ASSIGN(const ShuffleUnits units,
                                rank.shuffler->Plan(after_, topology_, r));
      EPLB_EXPECT_OK(
          ShuffleNow(*rank.shuffler, units, 1, channels, *rank.stream,
                     [&](const ShuffleUnit& u) { return Publish(rank, u); })
              .status);
      for (int layer = 0; layer < after_.num_layers(); ++layer) {
        EXPECT_TRUE(group_->Holds(r, layer, after_)) << "layer " << layer;
      }
    });
  }

  // Counts the operations of a run without a fault, then fails each.
  void Sweep(Injection::Place place, const std::vector<Fault::Kind>& kinds,
             MemorySpace space) {
    Outcome clean;
    RunInjection({.rank = -1}, space, clean);
    std::vector<int64_t> operations(kRanks);
    for (int r = 0; r < kRanks; ++r) {
      operations[r] = place == Injection::Place::kControl
                          ? control_operations_[r]
                      : place == Injection::Place::kData
                          ? data_operations_[r]
                          : group_->rank(r).device->num_operations();
    }
    Outcome outcome;
    int points = 0;
    for (int r = 0; r < kRanks; ++r) {
      ASSERT_GT(operations[r], 0);
      // The first allocation is that of the shuffler itself.
      const int64_t first = place == Injection::Place::kDevice ? 1 : 0;
      for (int64_t operation = first; operation < operations[r]; ++operation) {
        for (const Fault::Kind kind : kinds) {
          RunInjection({r, place, operation, kind}, space, outcome);
          if (HasFailure()) return;
          ++points;
        }
      }
    }
    std::cout << "injection points " << points << ": operations by rank";
    for (const int64_t count : operations) std::cout << " " << count;
    std::cout << "; ranks in doubt " << outcome.in_doubt
              << ", committed by the next epoch " << outcome.committed_by_epoch
              << ", units switched before " << outcome.units_switched
              << ", switches that failed " << outcome.fatal << "\n";
    fatal_ = outcome.fatal;
    in_doubt_ = outcome.in_doubt;
    committed_by_epoch_ = outcome.committed_by_epoch;
  }

  ShuffleOptions options_{.verify_checksums = true};
  bool is_in_pieces_ = false;
  const Topology topology_ = *Topology::Uniform(kRanks);
  Placement before_ =
      *Placement::Create(2, 5, 6, {0, 1, 2, 3, 4, 0, 4, 3, 2, 1, 0, -1});
  Placement after_ =
      *Placement::Create(2, 5, 6, {1, 0, 3, 0, 2, 4, 0, 1, 2, 3, 4, 4});
  std::unique_ptr<ShuffleGroup> group_;
  // By rank and layer.
  std::vector<std::vector<std::byte>> initial_memory_[kRanks];
  int64_t control_operations_[kRanks];
  int64_t data_operations_[kRanks];
  bool is_fatal_[kRanks];
  int in_doubt_ = 0;
  int committed_by_epoch_ = 0;
  int fatal_ = 0;
};

const std::vector<Fault::Kind>& AllKinds() {
  static const auto& kinds = *new std::vector<Fault::Kind>{
      Fault::Kind::kFailBefore, Fault::Kind::kFailDuring,
      Fault::Kind::kFailAfter,  Fault::Kind::kTruncate,
      Fault::Kind::kFlipBit,    Fault::Kind::kDie};
  return kinds;
}

TEST_F(ShuffleFaultTest, SurvivesEveryFaultOfTheControlChannel) {
  Sweep(Injection::Place::kControl, AllKinds(), MemorySpace::kHost);
  // Round 2 was cut in both ways.
  EXPECT_GT(in_doubt_, 0);
  EXPECT_GT(committed_by_epoch_, 0);
  EXPECT_LT(committed_by_epoch_, in_doubt_);
}

TEST_F(ShuffleFaultTest, SurvivesEveryFaultOfTheDataChannel) {
  Sweep(Injection::Place::kData, AllKinds(), MemorySpace::kHost);
  EXPECT_EQ(in_doubt_, 0);
}

TEST_F(ShuffleFaultTest, SurvivesEveryDataFaultBehindHostMemory) {
  Sweep(Injection::Place::kData, AllKinds(), MemorySpace::kDevice);
  EXPECT_EQ(in_doubt_, 0);
}

// Every piece is a transaction of its own.
TEST_F(ShuffleFaultTest, SurvivesEveryFaultOfALayerInPieces) {
  before_ = *Placement::Create(1, 6, 9, {0, 1, 2, 3, 4, 5, 0, 1, 2});
  after_ = *Placement::Create(1, 6, 9, {3, 4, 5, 0, 1, 2, 3, 4, 5});
  options_.staging_bytes = 2 * kRowBytes;
  is_in_pieces_ = true;
  Sweep(Injection::Place::kControl,
        {Fault::Kind::kFailBefore, Fault::Kind::kFailAfter},
        MemorySpace::kHost);
  EXPECT_GT(committed_by_epoch_, 0);
  Sweep(Injection::Place::kData,
        {Fault::Kind::kFailBefore, Fault::Kind::kFlipBit}, MemorySpace::kHost);
}

TEST_F(ShuffleFaultTest, SurvivesFaultsThatAreSeenWithoutChecksums) {
  options_.verify_checksums = false;
  for (const Injection::Place place :
       {Injection::Place::kControl, Injection::Place::kData}) {
    Sweep(place,
          {Fault::Kind::kFailBefore, Fault::Kind::kFailDuring,
           Fault::Kind::kFailAfter, Fault::Kind::kDie},
          MemorySpace::kHost);
  }
}

TEST_F(ShuffleFaultTest, SurvivesEveryFaultOfTheDevice) {
  Sweep(Injection::Place::kDevice, {Fault::Kind::kFailBefore},
        MemorySpace::kHost);
  // One in each unit that changes something on the rank.
  EXPECT_EQ(fatal_, 6);
}

TEST_F(ShuffleFaultTest, SurvivesEveryFaultOfADeviceBehindHostMemory) {
  Sweep(Injection::Place::kDevice, {Fault::Kind::kFailBefore},
        MemorySpace::kDevice);
}

// Round 2 of the first unit is cut on rank 0 after all have sent; the epoch
// that is to settle it fails at each of its operations, on each rank.
TEST_F(ShuffleFaultTest, KeepsTheDoubtWhileNoEpochCanSettleIt) {
  // Round 0, checksum round, checksum header and payload, vote: then round 2.
  constexpr int64_t kRound2 = 5;
  int still_in_doubt = 0;
  for (int failing = 0; failing < kRanks; ++failing) {
    for (int64_t operation = 0; operation < 2; ++operation) {
      for (const Fault::Kind kind :
           {Fault::Kind::kFailBefore, Fault::Kind::kFailAfter,
            Fault::Kind::kFlipBit}) {
        const Injection injection{0, Injection::Place::kControl, kRound2,
                                  Fault::Kind::kFailAfter};
        const Injection second{failing, Injection::Place::kControl, operation,
                               kind};
        SCOPED_TRACE(second.ToString());
        Create(injection, MemorySpace::kHost);
        Outcome outcome;
        const std::vector<int> all = group_->all_ranks();
        ShuffleGroup::Run(all,
                          [&](int r) { FirstEpoch(injection, r, outcome); });
        ASSERT_TRUE(group_->rank(0).shuffler->is_in_doubt());
        ShuffleGroup::Run(all, [&](int r) {
          Settle(r, group_->Connect(r, 2, all, second.faults(r)), outcome)
              .IgnoreError();
        });
        for (int r = 0; r < kRanks; ++r) {
          still_in_doubt += group_->rank(r).shuffler->is_in_doubt();
        }
        ShuffleGroup::Run(all, [&](int r) {
          EPLB_EXPECT_OK(Settle(r, group_->Connect(r, 3, all), outcome));
        });
        ExpectAlike(all);
      }
    }
  }
  EXPECT_GT(still_in_doubt, 0);
}

}  // namespace
}  // namespace eplb
