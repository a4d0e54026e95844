#include "tools/run/slot_audit.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/layer_tables.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/device.h"
#include "kernels/route_rows.h"
#include "testing/status_matchers.h"
#include "tools/run/expert_model.h"
#include "tools/run/slot_weights.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Rank 1 of two with two slots each; one layer.
class SlotAuditTest : public ::testing::Test {
 protected:
  SlotAuditTest() { weights_.Fill(placement_, /*rank=*/1); }

  static Placement Of(std::vector<int32_t> experts) {
    return *Placement::Create(1, 3, 4, std::move(experts));
  }

  SteadyTime Deadline() const { return clock_.Now() + std::chrono::minutes(1); }

  LayerView View() const { return {.routes = tables_.routes(0)}; }

  const SystemClock clock_;
  CpuDevice device_{{.num_threads = 1}};
  const std::unique_ptr<Stream> stream_ = *device_.CreateStream();
  const ExpertModel model_{{.num_layers = 1,
                            .num_logical_experts = 3,
                            .expert_bytes = 1024,
                            .seed = 1}};
  const Placement placement_ = Of({0, 1, 2, 0});
  SlotWeights weights_{model_, /*slots_per_rank=*/2};
  LayerTables tables_ =
      *LayerTables::Create(device_, placement_, 4, *stream_, Deadline());
  SlotAudit audit_{weights_, /*rank=*/1, /*slots_per_rank=*/2,
                   /*num_slots=*/4};
};

TEST_F(SlotAuditTest, WhatIsRightIsCheckedOnceForEachChange) {
  EXPECT_FALSE(audit_.CheckChanges({View()}));
  EXPECT_EQ(audit_.slots_checked(), 2);
  EXPECT_FALSE(audit_.CheckChanges({View()}));
  EXPECT_EQ(audit_.slots_checked(), 2);
  audit_.CheckAll({View()}, placement_);
  EXPECT_EQ(audit_.slots_checked(), 4);
  EXPECT_THAT(audit_.wrong(), IsEmpty());
}

TEST_F(SlotAuditTest, ATableThatIsAheadOfTheWeightsIsWrong) {
  audit_.CheckChanges({View()});
  EPLB_ASSERT_OK(tables_.SetLayer(0, *RouteRows::Create(3, {0, 1, 1, 2}),
                                  *stream_, Deadline()));
  EXPECT_TRUE(audit_.CheckChanges({View()}));
  EXPECT_EQ(audit_.wrong(),
            "rank 1, layer 0, slot 2: byte 0 of the weights of layer 0 is not "
            "expert 1's; it is expert 2's");
}

TEST_F(SlotAuditTest, ATableThatDiffersFromThePlacementIsWrong) {
  audit_.CheckAll({View()}, Of({1, 0, 2, 0}));
  EXPECT_THAT(audit_.wrong(),
              HasSubstr("slot 0: tokens of expert 0 are routed to it, but the "
                        "placement says 1"));
}

TEST_F(SlotAuditTest, AByteThatChangedUnseenIsFoundAtTheEnd) {
  audit_.CheckChanges({View()});
  weights_.View()->row(0, 0, 1)[99] ^= std::byte{4};
  EXPECT_FALSE(audit_.CheckChanges({View()}));
  EXPECT_THAT(audit_.wrong(), IsEmpty());
  audit_.CheckAll({View()}, placement_);
  EXPECT_THAT(audit_.wrong(), HasSubstr("slot 3: byte 99 of the weights"));
}

}  // namespace
}  // namespace eplb
