#include "collectives/conformance_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "collectives/communicator.h"

namespace eplb {
namespace {

std::shared_ptr<void> Allocate(const ConformanceMemory& memory,
                               size_t num_bytes) {
  num_bytes = std::max<size_t>(num_bytes, 1);
  if (memory.allocate != nullptr) return memory.allocate(num_bytes);
  return std::shared_ptr<char[]>(new char[num_bytes]);
}

}  // namespace

ConformanceBytes::ConformanceBytes(const ConformanceMemory& memory,
                                   const std::vector<uint8_t>& contents)
    : memory_(memory),
      size_(contents.size()),
      data_(Allocate(memory, contents.size())) {
  Copy(data_.get(), contents.data());
}

std::vector<uint8_t> ConformanceBytes::contents() const {
  std::vector<uint8_t> contents(size_);
  Copy(contents.data(), data_.get());
  return contents;
}

Buffer ConformanceBytes::buffer(size_t offset, size_t num_bytes) const {
  return {static_cast<char*>(data_.get()) + offset, num_bytes, memory_.space};
}

ConstBuffer ConformanceBytes::source(size_t offset, size_t num_bytes) const {
  return {static_cast<char*>(data_.get()) + offset, num_bytes, memory_.space};
}

void ConformanceBytes::Copy(void* to, const void* from) const {
  if (size_ == 0) return;
  if (memory_.copy != nullptr) {
    memory_.copy(to, from, size_);
  } else {
    std::memcpy(to, from, size_);
  }
}

}  // namespace eplb
