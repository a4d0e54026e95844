// DumpedRearrangement: what a load dump tells of a rearrangement.

#ifndef EPLB_LOAD_DUMPED_REARRANGEMENT_H_
#define EPLB_LOAD_DUMPED_REARRANGEMENT_H_

#include <cstdint>
#include <optional>

namespace eplb {

struct DumpedRearrangement {
  int64_t step = 0;
  // Of the policy alone.
  double plan_seconds = 0;
  // How long the serving thread waited; nothing in the background.
  std::optional<double> stall_seconds = {};
  int64_t moved_slots = 0;
  int64_t moved_bytes = 0;
};

}  // namespace eplb

#endif  // EPLB_LOAD_DUMPED_REARRANGEMENT_H_
