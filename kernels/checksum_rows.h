// CheckChecksumRows: refuses what Device::Checksum cannot read or write.
//
//   EPLB_RETURN_IF_ERROR(CheckChecksumRows(rows, sums.size()));

#ifndef EPLB_KERNELS_CHECKSUM_ROWS_H_
#define EPLB_KERNELS_CHECKSUM_ROWS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// InvalidArgument unless there is a sum for each row; naming the row, when one
// of at least a byte is null.
absl::Status CheckChecksumRows(absl::Span<const ConstRow> rows,
                               size_t num_sums);

}  // namespace eplb

#endif  // EPLB_KERNELS_CHECKSUM_ROWS_H_
