// Reads recorded loads from NumPy's .npy files.

#ifndef EPLB_LOAD_NPY_LOADS_H_
#define EPLB_LOAD_NPY_LOADS_H_

#include "absl/status/statusor.h"
#include "eplb/load/input_file.h"
#include "eplb/load/recorded_loads.h"

namespace eplb {

// [layers, experts] or [steps, layers, experts] of int32, int64, float32 or
// float64, in C order. Takes the memory of the result and one block more.
absl::StatusOr<RecordedLoads> ReadNpyLoads(const InputFile& file);

}  // namespace eplb

#endif  // EPLB_LOAD_NPY_LOADS_H_
