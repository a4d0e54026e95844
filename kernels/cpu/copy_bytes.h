// Copies of one row on the CPU: memcpy, and a copy that goes past the caches.

#ifndef EPLB_KERNELS_CPU_COPY_BYTES_H_
#define EPLB_KERNELS_CPU_COPY_BYTES_H_

#include <cstddef>

namespace eplb {

// As memcpy, but the destination is written without being read into the caches
// first. Pays for more bytes than the caches hold, which leaves the caches to
// others; costs when the destination is read again at once. What it wrote is
// visible to other threads as after memcpy. Where the machine has no such
// stores it is memcpy.
void CopyPastCaches(void* destination, const void* source, size_t num_bytes);

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_COPY_BYTES_H_
