#include "eplb/state/state_test_device.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "eplb/core/event_sink.h"
#include "eplb/core/expert_loads.h"
#include "eplb/core/memory_space.h"
#include "eplb/core/model_shape.h"
#include "eplb/core/placement.h"
#include "eplb/core/status_macros.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/state/eplb_config.h"
#include "eplb/state/eplb_state.h"
#include "eplb/state/layer_tables.h"
#include "eplb/state/state_test_rank.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "testing/deterministic_random.h"
#include "testing/weight_pattern.h"

namespace eplb {
namespace {

constexpr ModelShape kShape{.num_layers = 3,
                            .num_logical_experts = 8,
                            .num_redundant_experts = 4,
                            .num_expert_groups = 1};
constexpr size_t kRowBytes = 512;
constexpr int kNumTokens = 64;

// Memory of the device and pinned memory of the host that it is copied to or
// from.
struct MirroredBuffer {
  static absl::StatusOr<MirroredBuffer> Create(Device& device,
                                               size_t num_bytes) {
    MirroredBuffer buffer;
    EPLB_ASSIGN_OR_RETURN(buffer.on_device,
                          device.Allocate(num_bytes, device.memory_space()));
    EPLB_ASSIGN_OR_RETURN(buffer.on_host,
                          device.Allocate(num_bytes, MemorySpace::kPinnedHost));
    return buffer;
  }

  CopyRow ToDevice() const {
    return {on_device.data(), on_host.data(), on_host.num_bytes()};
  }
  CopyRow ToHost() const {
    return {on_host.data(), on_device.data(), on_host.num_bytes()};
  }

  DeviceBuffer on_device;
  DeviceBuffer on_host;
};

// The part of an engine that needs a device.
class DeviceEngine {
 public:
  static absl::StatusOr<std::unique_ptr<DeviceEngine>> Create(Device& device) {
    auto engine = std::unique_ptr<DeviceEngine>(new DeviceEngine(device));
    EPLB_ASSIGN_OR_RETURN(engine->stream_, device.CreateStream());
    EPLB_ASSIGN_OR_RETURN(engine->weights_,
                          MirroredBuffer::Create(device, kNumRows * kRowBytes));
    for (MirroredBuffer* const ids : {&engine->ids_, &engine->slots_}) {
      EPLB_ASSIGN_OR_RETURN(
          *ids, MirroredBuffer::Create(device, kNumIds * sizeof(int32_t)));
    }
    return engine;
  }

  Stream& stream() { return *stream_; }

  absl::Status Load(const Placement& placement) {
    for (int row = 0; row < kNumRows; ++row) {
      FillRow({row / kNumSlots, placement.physical_to_logical_map()[row], 0},
              Row(row));
    }
    EPLB_RETURN_IF_ERROR(device_.CopyBatch({weights_.ToDevice()}, *stream_));
    return stream_->Synchronize(SteadyTime::max());
  }

  absl::StatusOr<ExpertWeights> Weights() const {
    std::vector<std::vector<ExpertTensor>> layers(kShape.num_layers);
    for (int layer = 0; layer < kShape.num_layers; ++layer) {
      ExpertTensor rows;
      rows.name = "weight";
      rows.data = weights_.on_device.data() + layer * kNumSlots * kRowBytes;
      rows.num_rows = kNumSlots;
      rows.bytes_per_row = rows.stride_bytes = kRowBytes;
      rows.space = device_.memory_space();
      layers[layer].push_back(std::move(rows));
    }
    return ExpertWeights::Create(std::move(layers));
  }

  // Hands over a pass, which takes away what it has met in the slots.
  absl::Status Forward(EplbState& state, absl::Span<const int32_t> ids) {
    std::copy(ids.begin(), ids.end(), Ints(ids_.on_host));
    EPLB_RETURN_IF_ERROR(device_.CopyBatch({ids_.ToDevice()}, *stream_));
    for (int layer = 0; layer < kShape.num_layers; ++layer) {
      const LayerView view = state.layer_view(0, layer);
      MapAndRecordPass pass;
      pass.table = view.routes;
      pass.logical_ids = Ints(ids_.on_device) + layer * kNumTokens;
      pass.num_tokens = kNumTokens;
      pass.top_k = 1;
      pass.slot_ids = Ints(slots_.on_device) + layer * kNumTokens;
      pass.slot_counts = view.pass_counts;
      EPLB_RETURN_IF_ERROR(device_.MapAndRecord(pass, *stream_));
    }
    return device_.CopyBatch({slots_.ToHost(), weights_.ToHost()}, *stream_);
  }

  // Waits for the pass, and looks at what it has met.
  absl::Status Check(absl::Span<const int32_t> ids) {
    EPLB_RETURN_IF_ERROR(stream_->Synchronize(SteadyTime::max()));
    for (int i = 0; i < kNumIds; ++i) {
      const int layer = i / kNumTokens;
      const int32_t slot = Ints(slots_.on_host)[i];
      if (slot >= 0 && slot < kNumSlots &&
          HoldsRow({layer, ids[i], 0}, Row(layer * kNumSlots + slot))) {
        continue;
      }
      return absl::DataLossError(absl::StrCat("layer ", layer, ": slot ", slot,
                                              " did not hold expert ", ids[i],
                                              " when a pass was routed there"));
    }
    return absl::OkStatus();
  }

  static constexpr int kNumIds = kShape.num_layers * kNumTokens;

 private:
  static constexpr int kNumSlots =
      kShape.num_logical_experts + kShape.num_redundant_experts;
  static constexpr int kNumRows = kShape.num_layers * kNumSlots;

  explicit DeviceEngine(Device& device) : device_(device) {}

  static int32_t* Ints(const DeviceBuffer& buffer) {
    return reinterpret_cast<int32_t*>(buffer.data());
  }
  absl::Span<std::byte> Row(int row) const {
    return {weights_.on_host.data() + row * kRowBytes, kRowBytes};
  }

  Device& device_;
  std::unique_ptr<Stream> stream_;
  MirroredBuffer weights_;
  MirroredBuffer ids_;
  MirroredBuffer slots_;
};

// Of all layers; the hot experts drift with `phase`.
std::vector<int32_t> DrawIds(int phase, DeterministicRandom& random) {
  std::vector<int32_t> ids;
  for (int i = 0; i < DeviceEngine::kNumIds; ++i) {
    const int64_t pick = std::min(random.NextBelow(kShape.num_logical_experts),
                                  random.NextBelow(kShape.num_logical_experts));
    ids.push_back(
        static_cast<int32_t>((pick + phase) % kShape.num_logical_experts));
  }
  return ids;
}

absl::StatusOr<int> Serve(TestRank& rank, int num_steps, uint64_t seed) {
  Device& device = *rank.state_device;
  EPLB_RETURN_IF_ERROR(device.BindThread());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceEngine> engine,
                        DeviceEngine::Create(device));
  EplbConfig config;
  config.policy = "greedy";
  config.num_redundant_experts = kShape.num_redundant_experts;
  config.step_interval = 7;
  config.window_size = num_steps;
  config.log_balancedness = true;
  EPLB_RETURN_IF_ERROR(rank.Create(config));
  EPLB_ASSIGN_OR_RETURN(const Placement initial, Placement::Initial(kShape));
  EPLB_RETURN_IF_ERROR(engine->Load(initial));
  EPLB_ASSIGN_OR_RETURN(ExpertWeights weights, engine->Weights());
  EPLB_RETURN_IF_ERROR(
      rank.state->AddModel("main", kShape, std::move(weights)));
  DeterministicRandom random(seed);
  std::vector<int64_t> expected(kShape.num_layers * kShape.num_logical_experts);
  for (int step = 0; step < num_steps; ++step) {
    const bool is_dummy = random.NextBelow(6) == 0;
    const std::vector<int32_t> ids = DrawIds(step / 10, random);
    EPLB_RETURN_IF_ERROR(engine->Forward(*rank.state, ids));
    for (int i = 0; i < DeviceEngine::kNumIds && !is_dummy; ++i) {
      ++expected[i / kNumTokens * kShape.num_logical_experts + ids[i]];
    }
    EPLB_RETURN_IF_ERROR(
        rank.state->Step({.is_dummy = is_dummy, .stream = &engine->stream()}));
    EPLB_RETURN_IF_ERROR(engine->Check(ids));
  }
  EPLB_ASSIGN_OR_RETURN(const std::vector<ExpertLoads> loads,
                        rank.state->Rearrange({.execute_shuffle = false,
                                               .stream = &engine->stream()}));
  const absl::Span<const int64_t> counted = loads[0].values();
  if (!std::equal(counted.begin(), counted.end(), expected.begin(),
                  expected.end())) {
    return absl::DataLossError("the loads are not those of the passes");
  }
  return static_cast<int>(rank.events.EventsOf<RearrangementFinished>().size());
}

}  // namespace

absl::StatusOr<int> ServeOnDevice(Device& device, int num_steps,
                                  uint64_t seed) {
  SystemClock clock;
  absl::StatusOr<int> result;
  OnTestRanks(1, clock, [&](int, CommunicatorFactory& factory) -> absl::Status {
    TestRank rank(factory, clock, {0});
    rank.state_device = &device;
    result = Serve(rank, num_steps, seed);
    return absl::OkStatus();
  });
  return result;
}

}  // namespace eplb
