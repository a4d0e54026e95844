#include "collectives/checked.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_clock.h"
#include "testing/faulty_communicator.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr SteadyTime kDeadline = FakeClock::kStart + std::chrono::seconds(30);

// Runs `body` on each of `num_ranks` ranks.
std::vector<absl::Status> RunChecked(
    int num_ranks,
    const std::function<absl::Status(CheckedCommunicator&)>& body) {
  FakeClock clock;
  return RunInProcessRanks(
      num_ranks, clock, [&](std::unique_ptr<Communicator> communicator) {
        CheckedCommunicator checked(std::move(communicator));
        return body(checked);
      });
}

struct ContextField {
  std::string difference;
  std::function<void(CheckContext&)> change;
};

std::vector<ContextField> StateFields() {
  return {
      {"state: 0 on ranks 0, 2; 1 on rank 1",
       [](CheckContext& context) { context.state = 1; }},
      {"forward id: 0 on ranks 0, 2; 77 on rank 1",
       [](CheckContext& context) { context.forward_id = 77; }},
      {"model: 0 on ranks 0, 2; 2 on rank 1",
       [](CheckContext& context) { context.model = 2; }},
      {"layer: -1 on ranks 0, 2; 5 on rank 1",
       [](CheckContext& context) { context.layer = 5; }},
      {"installed placement: 0x0000000000000000 on ranks 0, 2; "
       "0x00000000000000ab on rank 1",
       [](CheckContext& context) { context.installed_placement_hash = 0xab; }},
      {"planned placement: 0x0000000000000000 on ranks 0, 2; "
       "0x00000000000000ac on rank 1",
       [](CheckContext& context) { context.planned_placement_hash = 0xac; }},
      {"weight layout: 0x0000000000000000 on ranks 0, 2; "
       "0x00000000000000ad on rank 1",
       [](CheckContext& context) { context.weight_layout_hash = 0xad; }},
  };
}

TEST(CheckedTest, NamesTheStateThatDiffersAndStaysUsable) {
  for (const ContextField& field : StateFields()) {
    SCOPED_TRACE(field.difference);
    const auto results = RunChecked(3, [&](CheckedCommunicator& checked) {
      const CheckContext agreed = checked.context();
      if (checked.rank() == 1) field.change(checked.context());
      int64_t value = 100 + checked.rank();
      EXPECT_THAT(checked.AllReduceSum(absl::MakeSpan(&value, 1), kDeadline),
                  StatusIs(absl::StatusCode::kFailedPrecondition,
                           "before AllReduceSum the ranks disagree; " +
                               field.difference));
      // Nothing was sent.
      EXPECT_EQ(value, 100 + checked.rank());
      checked.context() = agreed;
      return checked.AllReduceSum(absl::MakeSpan(&value, 1), kDeadline);
    });
    EXPECT_THAT(results, Each(IsOk()));
  }
}

TEST(CheckedTest, AStaleEpochPoisons) {
  const auto results = RunChecked(3, [&](CheckedCommunicator& checked) {
    checked.context().epoch = checked.rank() == 2 ? 4 : 5;
    EXPECT_THAT(checked.Barrier(kDeadline),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("epoch: 5 on ranks 0-1; 4 on rank 2")));
    checked.context().epoch = 5;
    return checked.Barrier(kDeadline);
  });
  EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("after an earlier error"))));
}

TEST(CheckedTest, NamesTheElementTypeAndTheBytes) {
  const auto results = RunChecked(2, [&](CheckedCommunicator& checked) {
    std::vector<int64_t> values(4);
    if (checked.rank() == 0) {
      return checked.AllReduceSum(absl::MakeSpan(values), kDeadline);
    }
    return checked.Broadcast({values.data(), 8}, /*root=*/1, kDeadline);
  });
  EXPECT_THAT(
      results,
      Each(StatusIs(
          absl::StatusCode::kFailedPrecondition,
          AllOf(HasSubstr("operation: AllReduceSum on rank 0; Broadcast on"),
                HasSubstr("element type: int64 on rank 0; bytes on rank 1"),
                HasSubstr("bytes: 32 on rank 0; 8 on rank 1"),
                HasSubstr("root: -1 on rank 0; 1 on rank 1")))));
}

TEST(CheckedTest, NamesTheConfigurationFieldAndEachValue) {
  // Long ones too, which take several rounds; each rank's of another length.
  for (const size_t padding : {0, 3000, 20'000}) {
    const auto results = RunChecked(3, [&](CheckedCommunicator& checked) {
      const std::string window = checked.rank() == 1 ? "500" : "1000";
      auto fields = ConfigurationFields::Create(
          {{"notes", std::string(padding, 'x')}, {"window_size", window}});
      checked.set_configuration(*fields);
      EXPECT_THAT(checked.Barrier(kDeadline),
                  StatusIs(absl::StatusCode::kFailedPrecondition,
                           "before Barrier the ranks disagree; configuration: "
                           "window_size: 1000 on ranks 0, 2; 500 on rank 1"));
      checked.set_configuration(ConfigurationFields());
      return checked.Barrier(kDeadline);
    });
    EXPECT_THAT(results, Each(IsOk()));
  }
}

TEST(CheckedTest, NamesTheMessagesThatDoNotPair) {
  const auto results = RunChecked(3, [&](CheckedCommunicator& checked) {
    std::vector<char> bytes(100);
    if (checked.rank() != 2) return checked.Exchange({}, {}, kDeadline);
    return checked.Exchange({SendMessage{0, {bytes.data(), 60}},
                             SendMessage{0, {bytes.data(), 40}}},
                            {}, kDeadline);
  });
  EXPECT_THAT(
      results,
      Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                    HasSubstr("messages: rank 2 sends 2 messages of 100 bytes "
                              "to rank 0, which receives 0 messages"))));
}

TEST(CheckedTest, AgreeTellsEachRanksValueToAll) {
  const auto results = RunChecked(4, [&](CheckedCommunicator& checked) {
    EPLB_ASSIGN_OR_RETURN(
        const std::vector<int64_t> values,
        checked.Agree(checked.rank() == 2 ? INT64_MIN : 7, kDeadline));
    EXPECT_THAT(values, ElementsAre(7, 7, INT64_MIN, 7));
    return absl::OkStatus();
  });
  EXPECT_THAT(results, Each(IsOk()));
}

TEST(CheckedTest, AClonesContextBeginsAsACopy) {
  const auto results = RunChecked(2, [&](CheckedCommunicator& checked) {
    checked.context().layer = 3;
    EPLB_ASSIGN_OR_RETURN(const auto clone,
                          checked.CloneChecked("worker", kDeadline));
    EXPECT_EQ(clone->context().layer, 3);
    clone->context().layer = 4;
    EXPECT_EQ(checked.context().layer, 3);
    return clone->Barrier(kDeadline);
  });
  EXPECT_THAT(results, Each(IsOk()));
}

// What passes over rank 0's end of the inner communicator goes through a fault.
std::vector<absl::Status> RunOverFault(
    const Fault& fault,
    const std::function<absl::Status(CheckedCommunicator&)>& body) {
  FakeClock clock;
  return RunInProcessRanks(
      3, clock, [&](std::unique_ptr<Communicator> communicator) {
        std::vector<Fault> script;
        if (communicator->rank() == 0) script.push_back(fault);
        CheckedCommunicator checked(std::make_unique<FaultyCommunicator>(
            std::move(communicator), clock, script));
        checked.context().epoch = 9;
        return body(checked);
      });
}

TEST(CheckedTest, ADamagedHeaderIsDataLossOnEveryRank) {
  const auto results = RunOverFault(
      {.kind = Fault::Kind::kFlipBit, .bit = 192 * 8 + 65},
      [](CheckedCommunicator& checked) -> absl::Status {
        std::vector<int64_t> values(1000);
        return checked.AllReduceSum(absl::MakeSpan(values), kDeadline);
      });
  EXPECT_THAT(results[0],
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("from rank 1")));
  for (const int rank : {1, 2}) {
    EXPECT_THAT(results[rank],
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("rank 0")));
  }
}

TEST(CheckedTest, AHeaderOfAnEarlierEpochIsNamed) {
  const auto results = RunOverFault(
      {.kind = Fault::Kind::kStaleEpoch},
      [](CheckedCommunicator& checked) { return checked.Barrier(kDeadline); });
  EXPECT_THAT(results,
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            HasSubstr("epoch: 8 on rank 0; 9 on ranks 1-2"))));
}

TEST(CheckedTest, CostsOneSmallCollectivePerOperation) {
  FakeClock clock;
  const auto results = RunInProcessRanks(
      2, clock,
      [&](std::unique_ptr<Communicator> communicator) -> absl::Status {
        auto counting = std::make_unique<FaultyCommunicator>(
            std::move(communicator), clock, std::vector<Fault>{});
        const FaultyCommunicator& counter = *counting;
        CheckedCommunicator checked(std::move(counting));
        std::vector<SendMessage> sends(100, {0, {}});
        std::vector<ReceiveMessage> receives;
        for (int source = 0; checked.rank() == 0 && source < 2; ++source) {
          receives.insert(receives.end(), 100, {source, {}});
        }
        EPLB_RETURN_IF_ERROR(checked.Exchange(sends, receives, kDeadline));
        EXPECT_EQ(counter.num_operations(), 2);
        EPLB_RETURN_IF_ERROR(checked.Barrier(kDeadline));
        EXPECT_EQ(counter.num_operations(), 3);
        EPLB_RETURN_IF_ERROR(checked.Agree(1, kDeadline).status());
        EXPECT_EQ(counter.num_operations(), 4);
        return absl::OkStatus();
      });
  EXPECT_THAT(results, Each(IsOk()));
}

}  // namespace
}  // namespace eplb
