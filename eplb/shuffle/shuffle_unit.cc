#include "eplb/shuffle/shuffle_unit.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace eplb {

std::string DescribeLayers(const ShuffleUnit& unit) {
  std::string layers = unit.layers.size() == 1 ? "layer " : "layers ";
  for (const LayerChange& change : unit.layers) {
    absl::StrAppend(&layers, &change == &unit.layers[0] ? "" : ", ",
                    change.layer);
  }
  return layers;
}

}  // namespace eplb
