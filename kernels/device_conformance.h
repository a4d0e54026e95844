// The rules of Device as tests, which every kind of device passes. A test of a
// kind instantiates them:
//
//   INSTANTIATE_TEST_SUITE_P(
//       Cpu, DeviceConformanceTest,
//       testing::Values(ConformanceDevice{
//           .name = "cpu",
//           .make = [] { return std::make_unique<CpuDevice>(); }}),
//       ConformanceDeviceName);
//
// Where `make` returns Unavailable the tests are skipped with its reason.

#ifndef EPLB_KERNELS_DEVICE_CONFORMANCE_H_
#define EPLB_KERNELS_DEVICE_CONFORMANCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eplb/core/clock.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/map_and_record.h"
#include "kernels/route_table.h"

namespace eplb {

struct ConformanceDevice {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<Device>>()> make;

  friend void PrintTo(const ConformanceDevice& device, std::ostream* os) {
    *os << device.name;
  }
};

std::string ConformanceDeviceName(
    const testing::TestParamInfo<ConformanceDevice>& info);

class DeviceConformanceTest : public testing::TestWithParam<ConformanceDevice> {
 public:
  // A row to copy, as offsets into two memories.
  struct Row {
    size_t to;
    size_t from;
    size_t num_bytes;
  };

  // Tokens to route, and how.
  struct RoutedTokens {
    std::vector<int64_t> ids;
    int top_k = 1;
    IdType id_type = IdType::kInt32;
    ReplicaChoice choice = ReplicaChoice::kHash;
    int rank = 0;
    int32_t num_valid_tokens = std::numeric_limits<int32_t>::max();
    std::vector<uint8_t> token_is_valid = {};
  };
  // What became of them.
  struct Routed {
    std::vector<int32_t> slot_ids;
    std::vector<int32_t> slot_counts;
  };

 protected:
  // Bytes of the device, and their mirror that the test can touch.
  struct Memory {
    DeviceBuffer of_device;
    DeviceBuffer mirror;

    std::byte* data() const { return of_device.data(); }
    uint8_t* host() const { return reinterpret_cast<uint8_t*>(mirror.data()); }
    size_t size() const { return of_device.num_bytes(); }
  };

  void SetUp() override;

  // Far enough that only a hang gets there.
  static SteadyTime Far();

  Memory Allocate(size_t num_bytes);
  // Memory of random bytes.
  Memory AllocateRandom(size_t num_bytes, uint64_t seed);
  void Upload(const Memory& memory);
  void Download(const Memory& memory);
  void CopyNow(const std::vector<CopyRow>& rows);

  // Copies `rows` from random bytes to others, and compares every byte of the
  // destination, also those between the rows, with what memcpy makes.
  void ExpectCopies(const std::vector<Row>& rows, size_t num_bytes,
                    uint64_t seed);

  // Memory that holds `values`.
  template <typename T>
  Memory AllocateCopy(const std::vector<T>& values);

  Routed RouteOnDevice(const RouteTable& table, const RoutedTokens& tokens);

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace eplb

#endif  // EPLB_KERNELS_DEVICE_CONFORMANCE_H_
