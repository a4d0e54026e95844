// What every device does with router ids: maps them to slots and counts them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/device_conformance.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"
#include "testing/deterministic_random.h"
#include "testing/status_matchers.h"

namespace eplb {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

using Routed = DeviceConformanceTest::Routed;
using RoutedTokens = DeviceConformanceTest::RoutedTokens;

// The lowest bit becomes the highest.
uint64_t Reversed(uint32_t bits) {
  uint64_t reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= uint64_t{bits >> i & 1} << (31 - i);
  return reversed;
}

// The rules of ReplicaChoice as they read.
size_t ReplicaOf(ReplicaChoice choice, uint64_t token, int rank,
                 absl::Span<const uint32_t> share_ends) {
  constexpr uint64_t kCircle = uint64_t{1} << 32;
  const uint64_t hash = token * 2654435769u % kCircle;
  const size_t count = share_ends.size();
  if (choice == ReplicaChoice::kHash) return hash % count;
  const uint64_t position = (hash + Reversed(rank)) % kCircle;
  if (choice == ReplicaChoice::kSpread) return position * count / kCircle;
  size_t replica = 0;
  while (share_ends[replica] <= position / 2) ++replica;
  return replica;
}

// What a pass makes of `tokens`, one id after another.
Routed RoutedPlainly(const RouteRows& rows, const RoutedTokens& tokens) {
  Routed routed;
  routed.slot_counts.resize(rows.num_slots());
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const size_t token = i / tokens.top_k;
    const int64_t id = tokens.ids[i];
    int32_t slot = -1;
    if (id >= 0 && id < rows.num_experts() &&
        rows.row_begin()[id] < rows.row_begin()[id + 1]) {
      const int32_t begin = rows.row_begin()[id];
      const auto share_ends =
          rows.share_ends().subspan(begin, rows.row_begin()[id + 1] - begin);
      slot = rows.slots()[begin + ReplicaOf(tokens.choice, token, tokens.rank,
                                            share_ends)];
      const bool is_padding =
          static_cast<int64_t>(token) >= tokens.num_valid_tokens ||
          (!tokens.token_is_valid.empty() && !tokens.token_is_valid[token]);
      if (!is_padding) ++routed.slot_counts[slot];
    }
    routed.slot_ids.push_back(slot);
  }
  return routed;
}

RouteRows RandomRouteRows(DeterministicRandom& random) {
  const int num_experts = 1 + random.NextBelow(300);
  const int num_slots = random.NextBelow(2 * num_experts + 20);
  // A few experts have most slots, some have none, some slots are empty.
  std::vector<int32_t> experts(num_slots);
  for (int32_t& expert : experts) {
    const double uniform = random.NextUniform();
    expert = static_cast<int32_t>(uniform * uniform * num_experts);
    if (random.NextBelow(10) == 0) expert = -1;
  }
  const RouteRows equal = *RouteRows::Create(num_experts, experts);
  if (random.NextBelow(2) == 0) return equal;
  std::vector<uint32_t> shares(num_slots);
  for (int expert = 0; expert < num_experts; ++expert) {
    uint32_t left = kWholeShare;
    for (int i = equal.row_begin()[expert]; i < equal.row_begin()[expert + 1];
         ++i) {
      const bool is_last = i + 1 == equal.row_begin()[expert + 1];
      const uint32_t share = is_last ? left : random.NextBelow(left + 1);
      shares[equal.slots()[i]] = share;
      left -= share;
    }
  }
  return *RouteRows::Create(num_experts, experts, shares);
}

RoutedTokens RandomTokens(int num_experts, DeterministicRandom& random) {
  RoutedTokens tokens;
  constexpr ReplicaChoice kChoices[] = {
      ReplicaChoice::kHash, ReplicaChoice::kSpread, ReplicaChoice::kWeighted,
      ReplicaChoice::kLocalFirst};
  tokens.choice = kChoices[random.NextBelow(4)];
  tokens.id_type = random.NextBelow(2) == 0 ? IdType::kInt32 : IdType::kInt64;
  tokens.rank = random.NextBelow(200);
  tokens.top_k = 1 + random.NextBelow(10);
  const int64_t num_tokens =
      random.NextBelow(int64_t{1} << random.NextBelow(12));
  for (int64_t i = 0; i < num_tokens * tokens.top_k; ++i) {
    // Now and then no expert, by a little or by much.
    int64_t id = random.NextBelow(num_experts + 2) - 1;
    if (random.NextBelow(50) == 0) {
      id = static_cast<int64_t>(random.NextWord());
      if (tokens.id_type == IdType::kInt32) id = static_cast<int32_t>(id);
    }
    tokens.ids.push_back(id);
  }
  if (random.NextBelow(2) == 0) {
    tokens.num_valid_tokens = random.NextBelow(num_tokens + 5) - 2;
  }
  if (random.NextBelow(2) == 0) {
    tokens.token_is_valid.resize(num_tokens);
    for (uint8_t& valid : tokens.token_is_valid) valid = random.NextBelow(4);
  }
  return tokens;
}

}  // namespace

template <typename T>
DeviceConformanceTest::Memory DeviceConformanceTest::AllocateCopy(
    const std::vector<T>& values) {
  Memory memory = Allocate(std::max<size_t>(1, values.size() * sizeof(T)));
  std::copy(values.begin(), values.end(), reinterpret_cast<T*>(memory.host()));
  Upload(memory);
  return memory;
}

DeviceConformanceTest::Routed DeviceConformanceTest::RouteOnDevice(
    const RouteTable& table, const RoutedTokens& tokens) {
  const Memory wide_ids = AllocateCopy(tokens.ids);
  const Memory narrow_ids =
      AllocateCopy(std::vector<int32_t>(tokens.ids.begin(), tokens.ids.end()));
  const Memory num_valid =
      AllocateCopy(std::vector<int32_t>{tokens.num_valid_tokens});
  const Memory is_valid = AllocateCopy(tokens.token_is_valid);
  const bool is_narrow = tokens.id_type == IdType::kInt32;
  Routed routed{std::vector<int32_t>(tokens.ids.size(), 12345),
                std::vector<int32_t>(table.view().max_slots)};
  const Memory slot_ids = AllocateCopy(routed.slot_ids);
  const Memory slot_counts = AllocateCopy(routed.slot_counts);
  EPLB_EXPECT_OK(device_->MapAndRecord(
      {.table = table.view(),
       .choice = tokens.choice,
       .rank = tokens.rank,
       .logical_ids = (is_narrow ? narrow_ids : wide_ids).data(),
       .id_type = tokens.id_type,
       .num_tokens = static_cast<int64_t>(tokens.ids.size()) / tokens.top_k,
       .top_k = tokens.top_k,
       .num_valid_tokens = reinterpret_cast<const int32_t*>(num_valid.data()),
       .token_is_valid =
           tokens.token_is_valid.empty()
               ? nullptr
               : reinterpret_cast<const uint8_t*>(is_valid.data()),
       .slot_ids = reinterpret_cast<int32_t*>(slot_ids.data()),
       .slot_counts = reinterpret_cast<int32_t*>(slot_counts.data())},
      *stream_));
  Download(slot_ids);
  Download(slot_counts);
  std::copy_n(reinterpret_cast<const int32_t*>(slot_ids.host()),
              routed.slot_ids.size(), routed.slot_ids.begin());
  std::copy_n(reinterpret_cast<const int32_t*>(slot_counts.host()),
              routed.slot_counts.size(), routed.slot_counts.begin());
  return routed;
}

namespace {

TEST_P(DeviceConformanceTest, RoutesAndCountsByTheRules) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    DeterministicRandom random(seed);
    const RouteRows rows = RandomRouteRows(random);
    const RoutedTokens tokens = RandomTokens(rows.num_experts(), random);
    EPLB_ASSERT_OK_AND_ASSIGN(
        const auto table,
        RouteTable::Create(*device_, rows, std::max(1, rows.num_slots()),
                           *stream_, Far()));
    Routed routed = RouteOnDevice(*table, tokens);
    const Routed expected = RoutedPlainly(rows, tokens);
    routed.slot_counts.resize(expected.slot_counts.size());
    ASSERT_EQ(routed.slot_ids, expected.slot_ids);
    ASSERT_EQ(routed.slot_counts, expected.slot_counts);
  }
}

TEST_P(DeviceConformanceTest, RoutesAsTheTableSaysAtThatPointOfTheStream) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows before,
                            RouteRows::Create(2, {0, 1, -1}));
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows after,
                            RouteRows::Create(2, {-1, 0, 1, 1}));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const auto table,
      RouteTable::Create(*device_, before, /*max_slots=*/4, *stream_, Far()));
  const RouteTableView view = table->view();
  const RoutedTokens tokens{.ids = {0, 1, 0, 1}, .top_k = 2};
  EXPECT_THAT(RouteOnDevice(*table, tokens).slot_ids, ElementsAre(0, 1, 0, 1));
  EPLB_ASSERT_OK(table->Update(after, *stream_, Far()));
  EXPECT_THAT(RouteOnDevice(*table, tokens).slot_ids, ElementsAre(1, 2, 1, 3));
  EXPECT_EQ(table->view().row_begin, view.row_begin);
  EXPECT_EQ(table->view().slots, view.slots);
}

TEST_P(DeviceConformanceTest, PassesAddToTheCounts) {
  EPLB_ASSERT_OK_AND_ASSIGN(const RouteRows rows, RouteRows::Create(1, {0}));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const auto table,
      RouteTable::Create(*device_, rows, /*max_slots=*/1, *stream_, Far()));
  const Memory ids = AllocateCopy(std::vector<int32_t>(3000));
  const Memory slot_ids = Allocate(3000 * sizeof(int32_t));
  const Memory counts = AllocateCopy(std::vector<int32_t>{5});
  const MapAndRecordPass pass{
      .table = table->view(),
      .logical_ids = ids.data(),
      .num_tokens = 1000,
      .top_k = 3,
      .slot_ids = reinterpret_cast<int32_t*>(slot_ids.data()),
      .slot_counts = reinterpret_cast<int32_t*>(counts.data())};
  EPLB_ASSERT_OK(device_->MapAndRecord(pass, *stream_));
  EPLB_ASSERT_OK(device_->MapAndRecord(pass, *stream_));
  Download(counts);
  int32_t count;
  std::memcpy(&count, counts.host(), sizeof(count));
  EXPECT_EQ(count, 6005);
}

TEST_P(DeviceConformanceTest, RefusesAPassThatIsNotValid) {
  EXPECT_THAT(device_->MapAndRecord({}, *stream_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("MapAndRecord: ")));
}

}  // namespace
}  // namespace eplb
