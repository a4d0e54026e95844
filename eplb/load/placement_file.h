// Placements as files, in the format eplb.placement/1.
//
//   EPLB_RETURN_IF_ERROR(WritePlacementFile("plan.json", file));
//   EPLB_ASSIGN_OR_RETURN(PlacementFile file, ReadPlacementFile("plan.json"));
//   file.placement.expert_of_slot(0, 0);

#ifndef EPLB_LOAD_PLACEMENT_FILE_H_
#define EPLB_LOAD_PLACEMENT_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eplb/core/placement.h"
#include "policies/placement_score.h"

namespace eplb {

inline constexpr absl::string_view kPlacementFormat = "eplb.placement/1";

struct PlacementFile {
  // Of whom the placement is; may be empty.
  std::string policy;
  int num_ranks = 1;
  int num_nodes = 1;
  int num_groups = 1;
  Placement placement;
  // What the policy promised, per layer; empty in a file without it.
  std::vector<LayerScore> layers;
  // How long the policy took. Written, not read.
  double plan_seconds = 0;
};

// The file's text. Two files with equal values are equal to the byte.
std::string FormatPlacement(const PlacementFile& file);

// InvalidArgument, naming the field and where in it, unless `text` is a
// placement in which every number is in range and all that is there agrees.
// Fields that the format does not have are skipped.
absl::StatusOr<PlacementFile> ParsePlacement(absl::string_view text);

// The same with files; errors begin with the name. Writing replaces the file
// as a whole or leaves it as it was.
absl::Status WritePlacementFile(const std::string& name,
                                const PlacementFile& file);
absl::StatusOr<PlacementFile> ReadPlacementFile(const std::string& name);

}  // namespace eplb

#endif  // EPLB_LOAD_PLACEMENT_FILE_H_
