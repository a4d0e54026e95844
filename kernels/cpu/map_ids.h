// MapIds: MapAndRecord on the calling thread.

#ifndef EPLB_KERNELS_CPU_MAP_IDS_H_
#define EPLB_KERNELS_CPU_MAP_IDS_H_

#include "kernels/map_and_record.h"

namespace eplb {

// `pass` is valid.
void MapIds(const MapAndRecordPass& pass);

}  // namespace eplb

#endif  // EPLB_KERNELS_CPU_MAP_IDS_H_
