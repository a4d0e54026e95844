// ConformanceMemory: where the buffers of the conformance tests lie, so that a
// backend that serves the memory of devices only is held to the same rules.
//
//   ConformanceBytes bytes(memory, std::vector<uint8_t>{1, 2, 3});
//   communicator.Broadcast(bytes.buffer(), /*root=*/0, deadline);
//   EXPECT_EQ(bytes.contents()[0], 1);

#ifndef EPLB_COLLECTIVES_CONFORMANCE_MEMORY_H_
#define EPLB_COLLECTIVES_CONFORMANCE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "collectives/communicator.h"
#include "eplb/core/memory_space.h"

namespace eplb {

// Ordinary memory, if nothing is set. Called by several threads at once.
struct ConformanceMemory {
  MemorySpace space = MemorySpace::kHost;

  // As many bytes, more than 0, which are freed with the pointer.
  std::function<std::shared_ptr<void>(size_t num_bytes)> allocate = nullptr;

  // From the host into this memory, or back, before it returns.
  std::function<void(void* to, const void* from, size_t num_bytes)> copy =
      nullptr;
};

// Bytes in such a memory. Thread-compatible.
class ConformanceBytes {
 public:
  // `memory` is only used here and outlives this. Zeros, or `contents`.
  ConformanceBytes(const ConformanceMemory& memory, size_t num_bytes)
      : ConformanceBytes(memory, std::vector<uint8_t>(num_bytes)) {}
  ConformanceBytes(const ConformanceMemory& memory,
                   const std::vector<uint8_t>& contents);

  size_t size() const { return size_; }
  std::vector<uint8_t> contents() const;

  // All of them, or `num_bytes` from `offset` on.
  Buffer buffer() const { return buffer(0, size_); }
  Buffer buffer(size_t offset, size_t num_bytes) const;
  ConstBuffer source() const { return source(0, size_); }
  ConstBuffer source(size_t offset, size_t num_bytes) const;

 private:
  void Copy(void* to, const void* from) const;

  const ConformanceMemory& memory_;
  const size_t size_;
  const std::shared_ptr<void> data_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_CONFORMANCE_MEMORY_H_
