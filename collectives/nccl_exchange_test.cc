#include "collectives/nccl_exchange.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collectives/communicator.h"
#include "collectives/nccl_api.h"
#include "collectives/nccl_exchange_order.h"
#include "collectives/nccl_owner.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/fake_nccl.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

// One rank; collectives/nccl_communicator_test.cc has batches between several.
class NcclExchangeTest : public testing::Test {
 protected:
  NcclExchangeTest() { nccl_->GetUniqueId(&id_); }

  ~NcclExchangeTest() override {
    EXPECT_THAT(nccl_->Violations(), testing::IsEmpty());
  }

  SteadyTime Soon() const { return clock_.Now() + std::chrono::minutes(2); }

  NcclOwner::Task Init() const {
    return [id = id_](NcclOwner::Calls& calls) {
      return calls.Init(id, /*num_ranks=*/1, /*rank=*/0);
    };
  }

  const std::shared_ptr<FakeNccl> nccl_ = std::make_shared<FakeNccl>();
  NcclUniqueId id_;
  SystemClock clock_;
};

TEST_F(NcclExchangeTest, CopiesMessagesOfARankToItself) {
  NcclOwner owner(nccl_, clock_, {.abort_bound = std::chrono::seconds(60)});
  EPLB_ASSERT_OK(owner.Run(Init(), Soon()));
  const std::vector<char> sent = {'a', 'b', 'c'};
  std::vector<char> received(3);
  const NcclExchangeOrder order = {
      .local_copies = {{sent.data(), received.data(), 2},
                       {sent.data() + 2, received.data() + 2, 1}},
      .groups = {}};
  EPLB_ASSERT_OK(owner.Run(
      [&](NcclOwner::Calls& calls) { return IssueExchange(calls, order); },
      Soon()));
  EXPECT_EQ(received, sent);
}

TEST_F(NcclExchangeTest, EndsTheGroupThatAnErrorInterrupts) {
  NcclOwner owner(nccl_, clock_, {.abort_bound = std::chrono::seconds(60)});
  EPLB_ASSERT_OK(owner.Run(Init(), Soon()));
  char byte = 'x';
  NcclExchangeOrder order;
  order.groups.resize(1);
  order.groups[0].sends = {{0, {&byte, 1, MemorySpace::kDevice}}};
  order.groups[0].receives = {{0, {&byte, 1, MemorySpace::kDevice}}};
  nccl_->FailOperation(0, 0, NcclResult::kInternalError, "no channel");
  EXPECT_THAT(
      owner.Run(
          [&](NcclOwner::Calls& calls) { return IssueExchange(calls, order); },
          Soon()),
      StatusIs(absl::StatusCode::kInternal,
               testing::AllOf(testing::HasSubstr("ncclGroupEnd"),
                              testing::HasSubstr("no channel"))));
  EXPECT_EQ(nccl_->Leftovers().find("group"), std::string::npos);
}

}  // namespace
}  // namespace eplb
