#include "eplb/state/layer_tables.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/route_rows.h"
#include "testing/lazy_device.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;

constexpr int kNumExperts = 3;

// What a pass reads of a layer.
struct SeenTables {
  std::vector<int32_t> replica_counts;
  std::vector<int32_t> row_lengths;
};

class LayerTablesTest : public ::testing::Test {
 protected:
  absl::Status Create(const Placement& placement) {
    absl::StatusOr<LayerTables> tables = LayerTables::Create(
        device_, placement, /*max_slots=*/5, *stream_, SteadyTime::max());
    if (tables.ok()) {
      tables_ = std::make_unique<LayerTables>(*std::move(tables));
    }
    return tables.status();
  }

  absl::Status SetLayer(int layer, std::vector<int32_t> experts_of_slots) {
    EPLB_ASSIGN_OR_RETURN(const RouteRows routes,
                          RouteRows::Create(kNumExperts, experts_of_slots));
    return tables_->SetLayer(layer, routes, *stream_, SteadyTime::max());
  }

  SeenTables Read(int layer) const {
    SeenTables seen;
    const int32_t* const row_begin = tables_->routes(layer).row_begin;
    for (int expert = 0; expert < kNumExperts; ++expert) {
      seen.replica_counts.push_back(tables_->replica_counts(layer)[expert]);
      seen.row_lengths.push_back(row_begin[expert + 1] - row_begin[expert]);
    }
    return seen;
  }

  // A pass that runs when the device gets there.
  void AddPass(int layer, SeenTables& seen) {
    LazyDevice::Add(*stream_, [this, layer, &seen] { seen = Read(layer); });
  }

  LazyDevice device_;
  const std::unique_ptr<Stream> stream_ = *device_.CreateStream();
  std::unique_ptr<LayerTables> tables_;
};

TEST_F(LayerTablesTest, APassSeesTheSwitchBeforeItHoweverSoonTheNextComes) {
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Placement placement,
      Placement::Create(/*num_layers=*/2, kNumExperts, /*num_slots=*/5,
                        {0, 1, 2, 0, 0, 0, 1, 2, 1, 1}));
  EPLB_ASSERT_OK(Create(placement));
  SeenTables at_first, between, at_last;
  AddPass(/*layer=*/1, at_first);
  EPLB_ASSERT_OK(SetLayer(/*layer=*/1, {0, 1, 2, 2, 2}));
  AddPass(/*layer=*/1, between);
  EPLB_ASSERT_OK(SetLayer(/*layer=*/1, {0, 0, 0, 1, 2}));
  AddPass(/*layer=*/1, at_last);
  EPLB_ASSERT_OK(stream_->Synchronize(SteadyTime::max()));
  EXPECT_THAT(at_first.replica_counts, ElementsAre(1, 3, 1));
  EXPECT_THAT(between.replica_counts, ElementsAre(1, 1, 3));
  EXPECT_THAT(at_last.replica_counts, ElementsAre(3, 1, 1));
  for (const SeenTables& seen : {at_first, between, at_last}) {
    EXPECT_EQ(seen.replica_counts, seen.row_lengths);
  }
  // The other layer stays.
  EXPECT_THAT(Read(/*layer=*/0).replica_counts, ElementsAre(3, 1, 1));
}

}  // namespace
}  // namespace eplb
