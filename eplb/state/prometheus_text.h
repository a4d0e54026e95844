// The text format of Prometheus, where more than one file writes it.

#ifndef EPLB_STATE_PROMETHEUS_TEXT_H_
#define EPLB_STATE_PROMETHEUS_TEXT_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace eplb {

// What comes before the series of a metric. `type` is gauge, counter or
// histogram.
inline void AppendMetricHelp(absl::string_view name, absl::string_view type,
                             absl::string_view help, std::string& text) {
  absl::StrAppend(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ",
                  type, "\n");
}

}  // namespace eplb

#endif  // EPLB_STATE_PROMETHEUS_TEXT_H_
