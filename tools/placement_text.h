// A placement and its scores as tables to read.

#ifndef EPLB_TOOLS_PLACEMENT_TEXT_H_
#define EPLB_TOOLS_PLACEMENT_TEXT_H_

#include <string>

#include "eplb/load/placement_file.h"

namespace eplb {

// Sizes, a summary, and the layers: all of few, the worst of many. `color`
// allows escape sequences.
std::string PlacementText(const PlacementFile& file, bool color);

}  // namespace eplb

#endif  // EPLB_TOOLS_PLACEMENT_TEXT_H_
