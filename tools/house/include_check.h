// Holds the includes of C++ and CUDA sources to the plan of the house.
//
//   CheckIncludes(HousePlan(), {{"policies/x.cc",
//                                "#include \"eplb/state/y.h\"\n"}});
//   // "policies/x.cc:1: policies -> eplb/state (policies/x.cc includes
//   //  "eplb/state/y.h"); policies may include: eplb/core"

#ifndef EPLB_TOOLS_HOUSE_INCLUDE_CHECK_H_
#define EPLB_TOOLS_HOUSE_INCLUDE_CHECK_H_

#include <string>
#include <vector>

#include "tools/house/plan.h"
#include "tools/house/source_tree.h"

namespace eplb {

// One sentence per include that the plan does not allow, per source outside
// every room or with a suffix that the house does not use, and per header whose
// include guard is not that of its path.
std::vector<std::string> CheckIncludes(const Plan& plan,
                                       const std::vector<SourceFile>& sources);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_INCLUDE_CHECK_H_
