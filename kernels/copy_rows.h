// CheckCopyRows: refuses a batch of copies whose result would depend on the
// order in which its rows are copied.
//
//   EPLB_RETURN_IF_ERROR(CheckCopyRows(rows));

#ifndef EPLB_KERNELS_COPY_ROWS_H_
#define EPLB_KERNELS_COPY_ROWS_H_

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

// InvalidArgument, naming the two rows, when a destination overlaps any other
// row's source or destination, or its own source in part; naming the row, when
// an address is null or the row reaches past the end of the address space. A
// row of no bytes is always right, and so is one whose source is its
// destination. Sources may overlap each other.
//
// O(n log n), and O(n) when destinations rise and sources lie outside them.
absl::Status CheckCopyRows(absl::Span<const CopyRow> rows);

}  // namespace eplb

#endif  // EPLB_KERNELS_COPY_ROWS_H_
