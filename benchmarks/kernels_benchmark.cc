// Copies, checksums and routing on the CPU, each beside a yardstick that is
// measured in the same iterations: plain memcpy with as many threads, adding up
// the words, a plain loop with the remainder operator. Times of one thread are
// those on its core.
//
//   ./bazelw run --config=opt //benchmarks:kernels
//
// Counters: `ratio` is the median over iterations of the speed of the device by
// the speed of the (best) yardstick; `wrong` counts bytes, sums, slots and
// counts that were not as expected.

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "eplb/core/clock.h"
#include "eplb/core/memory_space.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/work_threads.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_rows.h"
#include "kernels/route_table.h"
#include "kernels/row_checksum.h"
#include "testing/deterministic_random.h"

namespace eplb {
namespace {

// Of one thread the time on its core, which others on the machine do not
// lengthen; of several the time that passed.
double Seconds(int num_threads, const std::function<void()>& work) {
  const auto now = [&] {
    timespec time;
    clock_gettime(num_threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC,
                  &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
  };
  const double start = now();
  work();
  return now() - start;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Runs `work` and all `yardsticks` in each iteration. The ratio is against the
// yardstick that does best.
void Compare(benchmark::State& state, int num_threads,
             const std::function<void()>& work,
             const std::vector<std::function<void()>>& yardsticks) {
  std::vector<std::vector<double>> ratios(yardsticks.size());
  std::vector<double> seconds_of_yardsticks(yardsticks.size());
  for (auto _ : state) {
    for (size_t i = 0; i < yardsticks.size(); ++i) {
      seconds_of_yardsticks[i] = Seconds(num_threads, yardsticks[i]);
    }
    const double seconds = Seconds(num_threads, work);
    for (size_t i = 0; i < yardsticks.size(); ++i) {
      ratios[i].push_back(seconds_of_yardsticks[i] / seconds);
    }
    state.SetIterationTime(seconds);
  }
  double ratio = std::numeric_limits<double>::infinity();
  for (std::vector<double>& of_yardstick : ratios) {
    ratio = std::min(ratio, Median(std::move(of_yardstick)));
  }
  state.counters["ratio"] = ratio;
}

// A device with its stream, and rows to copy: a random permutation of equal
// rows, from one block of memory to another.
class Copies {
 public:
  Copies(int num_threads, size_t num_rows, size_t row_bytes)
      : row_bytes_(row_bytes),
        device_({.num_threads = num_threads}),
        stream_(*device_.CreateStream()),
        from_(*device_.Allocate(num_rows * row_bytes, MemorySpace::kHost)),
        to_(*device_.Allocate(num_rows * row_bytes, MemorySpace::kHost)) {
    DeterministicRandom random(/*seed=*/1);
    for (size_t i = 0; i + 8 <= from_.num_bytes(); i += 8) {
      const uint64_t word = random.NextWord();
      std::memcpy(from_.data() + i, &word, sizeof(word));
    }
    std::memset(to_.data(), 0, to_.num_bytes());
    std::vector<size_t> places(num_rows);
    std::iota(places.begin(), places.end(), size_t{0});
    for (size_t i = num_rows; i > 1; --i) {
      std::swap(places[i - 1], places[random.NextBelow(i)]);
    }
    for (size_t i = 0; i < num_rows; ++i) {
      rows_.push_back({to_.data() + places[i] * row_bytes,
                       from_.data() + i * row_bytes, row_bytes});
    }
  }

  CpuDevice& device() { return device_; }
  Stream& stream() { return *stream_; }
  const DeviceBuffer& from() const { return from_; }
  const DeviceBuffer& to() const { return to_; }
  absl::Span<const CopyRow> rows() const { return rows_; }

  int64_t CountWrong() {
    std::memset(to_.data(), 0xee, to_.num_bytes());
    int64_t wrong = device_.CopyBatch(rows_, *stream_).ok() ? 0 : 1;
    for (const CopyRow& row : rows_) {
      wrong += std::memcmp(row.destination, row.source, row_bytes_) != 0;
    }
    return wrong;
  }

 private:
  size_t row_bytes_;
  CpuDevice device_;
  std::unique_ptr<Stream> stream_;
  DeviceBuffer from_;
  DeviceBuffer to_;
  std::vector<CopyRow> rows_;
};

// Arguments: threads, rows, bytes per row.
void BM_CopyBatch(benchmark::State& state) {
  const int num_threads = state.range(0);
  const size_t num_rows = state.range(1);
  Copies copies(num_threads, num_rows, state.range(2));
  WorkThreads threads(num_threads);
  const size_t bytes_per_thread = copies.to().num_bytes() / num_threads;
  const auto memcpy_blocks = [&] {
    threads.Run(num_threads, [&](size_t thread) {
      std::memcpy(copies.to().data() + thread * bytes_per_thread,
                  copies.from().data() + thread * bytes_per_thread,
                  bytes_per_thread);
    });
  };
  const auto memcpy_rows = [&] {
    threads.Run(num_threads, [&](size_t thread) {
      const size_t end = num_rows * (thread + 1) / num_threads;
      for (size_t i = num_rows * thread / num_threads; i < end; ++i) {
        const CopyRow& row = copies.rows()[i];
        std::memcpy(row.destination, row.source, row.num_bytes);
      }
    });
  };
  Compare(state, num_threads,
          [&] {
            benchmark::DoNotOptimize(
                copies.device().CopyBatch(copies.rows(), copies.stream()).ok());
          },
          {memcpy_blocks, memcpy_rows});
  state.SetBytesProcessed(state.iterations() * copies.to().num_bytes());
  state.SetItemsProcessed(state.iterations() * num_rows);
  state.counters["wrong"] = copies.CountWrong();
}

// Arguments: threads, rows, bytes per row. The yardstick adds up the words.
void BM_Checksum(benchmark::State& state) {
  const int num_threads = state.range(0);
  const size_t num_rows = state.range(1);
  Copies copies(num_threads, num_rows, state.range(2));
  WorkThreads threads(num_threads);
  std::vector<ConstRow> rows;
  for (const CopyRow& row : copies.rows()) {
    rows.push_back({row.source, row.num_bytes});
  }
  std::vector<uint64_t> sums(num_rows);
  const auto add_words = [&] {
    threads.Run(num_rows, [&](size_t row) {
      const auto* words = static_cast<const uint64_t*>(rows[row].data);
      uint64_t sums_of_words[8] = {};
      for (size_t i = 0; i + 8 <= rows[row].num_bytes / 8; i += 8) {
        for (size_t j = 0; j < 8; ++j) sums_of_words[j] += words[i + j];
      }
      benchmark::DoNotOptimize(sums_of_words);
    });
  };
  Compare(state, num_threads,
          [&] {
            benchmark::DoNotOptimize(copies.device()
                                         .Checksum(rows, absl::MakeSpan(sums),
                                                   copies.stream(),
                                                   SteadyTime::max())
                                         .ok());
          },
          {add_words});
  state.SetBytesProcessed(state.iterations() * copies.from().num_bytes());
  int64_t wrong = 0;
  for (size_t i = 0; i < num_rows; ++i) {
    const uint64_t sum = RowChecksumPart(rows[i].data, rows[i].num_bytes, 0);
    wrong += sums[i] != FinishRowChecksum(sum, rows[i].num_bytes);
  }
  state.counters["wrong"] = wrong;
}

// Routed as a plain loop would, with 0 instead of a rank's offset.
struct PlainRoute {
  std::vector<int32_t> slot_ids;
  std::vector<int32_t> slot_counts;
};
void RoutePlainly(const RouteRows& rows, const std::vector<int32_t>& ids,
                  int top_k, PlainRoute& route) {
  for (size_t i = 0; i < ids.size(); ++i) {
    const uint32_t position = static_cast<uint32_t>(i / top_k) * kTokenStep;
    const int32_t begin = rows.row_begin()[ids[i]];
    const uint32_t count = rows.row_begin()[ids[i] + 1] - begin;
    const int32_t slot = rows.slots()[begin + position % count];
    route.slot_ids[i] = slot;
    ++route.slot_counts[slot];
  }
}

void BM_MapAndRecord(benchmark::State& state, ReplicaChoice choice) {
  constexpr int kExperts = 256;
  constexpr int kSlots = 288;
  constexpr int kTopK = 8;
  const int64_t num_tokens = state.range(0);
  CpuDevice device({.num_threads = 1});
  const std::unique_ptr<Stream> stream = *device.CreateStream();
  std::vector<int32_t> experts(kSlots);
  for (int slot = 0; slot < kSlots; ++slot) {
    // The first experts have up to 7 replicas.
    experts[slot] = slot < kExperts ? slot : (slot - kExperts) % 25 / 3;
  }
  const RouteRows rows = *RouteRows::Create(kExperts, experts);
  const std::unique_ptr<RouteTable> table =
      *RouteTable::Create(device, rows, kSlots, *stream, SteadyTime::max());
  DeterministicRandom random(/*seed=*/1);
  std::vector<int32_t> ids(num_tokens * kTopK);
  // Squared, so that low experts, with replicas, are hot.
  for (int32_t& id : ids) {
    const double uniform = random.NextUniform();
    id = static_cast<int32_t>(uniform * uniform * kExperts);
  }
  std::vector<int32_t> slot_ids(ids.size());
  std::vector<int32_t> counts(kSlots);
  PlainRoute plain{std::vector<int32_t>(ids.size()),
                   std::vector<int32_t>(kSlots)};
  const MapAndRecordPass pass{.table = table->view(),
                              .choice = choice,
                              .logical_ids = ids.data(),
                              .num_tokens = num_tokens,
                              .top_k = kTopK,
                              .slot_ids = slot_ids.data(),
                              .slot_counts = counts.data()};
  // Short passes repeat, so that reading the clock does not count.
  const int64_t repeats = std::max<int64_t>(1, 8192 / num_tokens);
  Compare(state, /*num_threads=*/1,
          [&] {
            for (int64_t i = 0; i < repeats; ++i) {
              benchmark::DoNotOptimize(device.MapAndRecord(pass, *stream).ok());
            }
          },
          {[&] {
            for (int64_t i = 0; i < repeats; ++i) {
              RoutePlainly(rows, ids, kTopK, plain);
              benchmark::ClobberMemory();
            }
          }});
  state.SetItemsProcessed(state.iterations() * repeats * ids.size());
  int64_t wrong = 0;
  std::vector<int64_t> expected(kSlots);
  for (size_t i = 0; i < ids.size(); ++i) {
    wrong += experts[slot_ids[i]] != ids[i];
    wrong += choice == ReplicaChoice::kHash && slot_ids[i] != plain.slot_ids[i];
    expected[slot_ids[i]] += state.iterations() * repeats;
  }
  for (int slot = 0; slot < kSlots; ++slot) {
    wrong += counts[slot] != static_cast<int32_t>(expected[slot]);
  }
  state.counters["wrong"] = wrong;
}

void Register() {
  const int num_cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<int> thread_counts = {1};
  if (num_cores > 1) thread_counts.push_back(num_cores);
  for (const int num_threads : thread_counts) {
    benchmark::RegisterBenchmark("CopyBatch", BM_CopyBatch)
        ->Args({num_threads, 65536, 64})
        ->Args({num_threads, 4096, 4096})
        ->Args({num_threads, 64, 64 << 10})
        ->Args({num_threads, 256, 1 << 20})
        ->Args({num_threads, 9, 44 << 20})
        ->UseManualTime();
    benchmark::RegisterBenchmark("Checksum", BM_Checksum)
        ->Args({num_threads, 256, 1 << 20})
        ->UseManualTime();
  }
  for (const ReplicaChoice choice :
       {ReplicaChoice::kHash, ReplicaChoice::kSpread, ReplicaChoice::kWeighted,
        ReplicaChoice::kLocalFirst}) {
    const std::string name =
        "MapAndRecord/" + std::string(ReplicaChoiceName(choice));
    benchmark::RegisterBenchmark(
        name.c_str(),
        [=](benchmark::State& state) { BM_MapAndRecord(state, choice); })
        ->Arg(8)
        ->Arg(128)
        ->Arg(8192)
        ->UseManualTime();
  }
}

}  // namespace
}  // namespace eplb

int main(int argc, char** argv) {
  eplb::Register();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
