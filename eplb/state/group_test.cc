#include "eplb/state/group.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "collectives/in_process.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/in_process_ranks.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

// A data channel that compares nothing, as NCCL does, and moves nothing.
class BlindCommunicator final : public Communicator {
 public:
  BlindCommunicator(int rank, int size) : rank_(rank), size_(size) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  absl::Status AllReduceSum(absl::Span<int64_t>, SteadyTime) override {
    return absl::OkStatus();
  }
  absl::Status AllGather(ConstBuffer, Buffer, SteadyTime) override {
    return absl::OkStatus();
  }
  absl::Status Broadcast(Buffer, int, SteadyTime) override {
    return absl::OkStatus();
  }
  absl::Status Barrier(SteadyTime) override { return absl::OkStatus(); }
  absl::Status Exchange(absl::Span<const SendMessage>,
                        absl::Span<const ReceiveMessage>, SteadyTime) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(absl::string_view,
                                                      SteadyTime) override {
    return std::make_unique<BlindCommunicator>(rank_, size_);
  }
  void Abort(absl::Status) override {}
  std::string ToString() const override { return "blind"; }

 private:
  const int rank_;
  const int size_;
};

class UnusedFactory final : public CommunicatorFactory {
  absl::StatusOr<std::unique_ptr<Communicator>> Connect(uint64_t epoch,
                                                        absl::Span<const int>,
                                                        SteadyTime) override {
    ADD_FAILURE() << "asked for epoch " << epoch;
    return absl::InternalError("not to be asked");
  }
};

// Runs `body` with the group of each rank.
std::vector<absl::Status> OnGroups(
    int num_ranks, const std::function<absl::Status(Group&)>& body) {
  SystemClock clock;
  return RunInProcessRanks(
      num_ranks, clock,
      [&](std::unique_ptr<Communicator> control) -> absl::Status {
        GroupOptions options;
        options.clock = &clock;
        BlindCommunicator data(control->rank(), control->size());
        EPLB_ASSIGN_OR_RETURN(
            const std::unique_ptr<Group> group,
            Group::Create(options, {}, *control, &data, ConfigurationFields()));
        return body(*group);
      });
}

TEST(GroupTest, ConnectsAllRanks) {
  EXPECT_THAT(OnGroups(3,
                       [](Group& group) -> absl::Status {
                         EXPECT_EQ(group.size(), 3);
                         EPLB_RETURN_IF_ERROR(group.Begin(/*forward_id=*/7));
                         int64_t sum = group.rank();
                         EPLB_RETURN_IF_ERROR(group.AllReduceSum({&sum, 1}));
                         EXPECT_EQ(sum, 3);
                         return absl::OkStatus();
                       }),
              Each(IsOk()));
}

TEST(GroupTest, GivesAllTheErrorOfOne) {
  EXPECT_THAT(OnGroups(3,
                       [](Group& group) {
                         return group.AgreeOn(
                             group.rank() == 1
                                 ? absl::DataLossError("a page is missing")
                                 : absl::OkStatus());
                       }),
              Each(StatusIs(absl::StatusCode::kDataLoss,
                            HasSubstr("a page is missing"))));
}

// Rank 0 sends 8 bytes where rank 1 waits for 4: no weight may arrive in the
// place of another.
TEST(GroupTest, RefusesWeightsThatDoNotPair) {
  EXPECT_THAT(
      OnGroups(2,
               [](Group& group) {
                 const uint64_t sent = 1;
                 uint32_t received = 0;
                 std::vector<SendMessage> sends;
                 std::vector<ReceiveMessage> receives;
                 if (group.rank() == 0) {
                   sends.push_back({1, {&sent, sizeof(sent)}});
                 } else {
                   receives.push_back({0, {&received, sizeof(received)}});
                 }
                 return group.channels().data->Exchange(sends, receives,
                                                        group.Deadline());
               }),
      Each(
          StatusIs(absl::StatusCode::kFailedPrecondition,
                   HasSubstr("rank 0 sends 1 messages of 8 bytes to rank 1"))));
}

// Rank 0 gives up between its two factories: rank 1 learns it where they met,
// and does not go on to wait for it in the other one.
TEST(GroupTest, DoesNotWaitForRanksThatHaveLeftTheAttempt) {
  SystemClock clock;
  const absl::StatusOr<std::unique_ptr<InProcessGroup>> job =
      InProcessGroup::Create(2, clock);
  EPLB_ASSERT_OK(job.status());
  EXPECT_THAT(
      RunInProcessRanks(
          2, clock,
          [&](std::unique_ptr<Communicator> control) -> absl::Status {
            const std::unique_ptr<CommunicatorFactory> factory =
                (*job)->FactoryOfRank(control->rank());
            UnusedFactory data_factory;
            GroupOptions options;
            options.clock = &clock;
            options.control_factory = factory.get();
            options.data_factory = &data_factory;
            EPLB_ASSIGN_OR_RETURN(
                const std::unique_ptr<Group> group,
                Group::Create(options, {.epoch = 1, .ranks_of_job = {0, 1}},
                              *control, nullptr, ConfigurationFields()));
            if (control->rank() == 0) {
              return factory->Connect(2, {0, 1}, group->Deadline()).status();
            }
            EXPECT_THAT(group->ConnectAttempt(1, group->Deadline()),
                        StatusIs(absl::StatusCode::kUnavailable));
            return absl::OkStatus();
          }),
      Each(IsOk()));
}

}  // namespace
}  // namespace eplb
