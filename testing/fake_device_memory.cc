#include "testing/fake_device_memory.h"

#include <cstddef>
#include <iterator>
#include <memory>

#include "absl/synchronization/mutex.h"

namespace eplb {

std::shared_ptr<void> FakeDeviceMemory::Allocate(size_t num_bytes) {
  char* const begin = new char[num_bytes];
  {
    absl::MutexLock lock(&allocations_->mutex);
    allocations_->num_bytes_at[begin] = num_bytes;
  }
  return std::shared_ptr<void>(begin,
                               [allocations = allocations_](void* memory) {
                                 char* const bytes = static_cast<char*>(memory);
                                 {
                                   absl::MutexLock lock(&allocations->mutex);
                                   allocations->num_bytes_at.erase(bytes);
                                 }
                                 delete[] bytes;
                               });
}

bool FakeDeviceMemory::Contains(const void* begin, size_t num_bytes) const {
  const char* const first = static_cast<const char*>(begin);
  absl::MutexLock lock(&allocations_->mutex);
  const auto after = allocations_->num_bytes_at.upper_bound(first);
  if (after == allocations_->num_bytes_at.begin()) return false;
  const auto& [start, size] = *std::prev(after);
  const size_t offset = first - start;
  return offset <= size && num_bytes <= size - offset;
}

}  // namespace eplb
