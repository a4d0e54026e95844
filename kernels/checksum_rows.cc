#include "kernels/checksum_rows.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "kernels/device.h"

namespace eplb {

absl::Status CheckChecksumRows(absl::Span<const ConstRow> rows,
                               size_t num_sums) {
  if (rows.size() != num_sums) {
    return absl::InvalidArgumentError(
        absl::StrCat("Checksum: ", num_sums, " sums for ", rows.size(),
                     " rows; there must be one for each"));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].data == nullptr && rows[i].num_bytes > 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Checksum: row ", i, " of ", rows[i].num_bytes, " bytes is null"));
    }
  }
  return absl::OkStatus();
}

}  // namespace eplb
