// BackgroundMetricsText: what rearranging in the background costs the serving
// thread and how far it is, in the text format of Prometheus.
//
//   response.body = absl::StrCat(
//       metrics.Text(), BackgroundMetricsText(state->background_metrics()));

#ifndef EPLB_STATE_BACKGROUND_METRICS_TEXT_H_
#define EPLB_STATE_BACKGROUND_METRICS_TEXT_H_

#include <string>

#include "eplb/state/background/background_rearrangement.h"

namespace eplb {

// Without labels: one state, this rank.
std::string BackgroundMetricsText(const BackgroundMetrics& metrics);

}  // namespace eplb

#endif  // EPLB_STATE_BACKGROUND_METRICS_TEXT_H_
