// FakeDeviceMemory: host memory that stands for the memory of a device, and is
// known as such, so that a fake of a device's library can tell it from memory
// that a real one could not touch.
//
//   FakeDeviceMemory memory;
//   const std::shared_ptr<void> bytes = memory.Allocate(100);
//   memory.Contains(bytes.get(), 100);  // Until `bytes` is gone.

#ifndef EPLB_TESTING_FAKE_DEVICE_MEMORY_H_
#define EPLB_TESTING_FAKE_DEVICE_MEMORY_H_

#include <cstddef>
#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace eplb {

// Thread-safe. What it allocates may outlive it.
class FakeDeviceMemory {
 public:
  // `num_bytes` > 0.
  std::shared_ptr<void> Allocate(size_t num_bytes);

  // Whether these bytes lie in one allocation that is still there.
  bool Contains(const void* begin, size_t num_bytes) const;

 private:
  struct Allocations {
    absl::Mutex mutex;
    std::map<const char*, size_t> num_bytes_at ABSL_GUARDED_BY(mutex);
  };

  const std::shared_ptr<Allocations> allocations_ =
      std::make_shared<Allocations>();
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAKE_DEVICE_MEMORY_H_
