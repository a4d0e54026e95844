// MemorySpace: where a buffer lives, and who may touch it directly.

#ifndef EPLB_CORE_MEMORY_SPACE_H_
#define EPLB_CORE_MEMORY_SPACE_H_

#include "absl/strings/string_view.h"

namespace eplb {

enum class MemorySpace {
  kHost,        // Ordinary memory of the process.
  kPinnedHost,  // Host memory that a device can read and write by itself.
  kDevice,      // Memory of an accelerator; the host cannot dereference it.
};

constexpr absl::string_view MemorySpaceName(MemorySpace space) {
  switch (space) {
    case MemorySpace::kHost:
      return "host";
    case MemorySpace::kPinnedHost:
      return "pinned host";
    case MemorySpace::kDevice:
      return "device";
  }
  return "unknown";
}

}  // namespace eplb

#endif  // EPLB_CORE_MEMORY_SPACE_H_
