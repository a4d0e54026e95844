// TrafficSpec: how unevenly synthetic tokens fall on the experts.
//
//   EPLB_ASSIGN_OR_RETURN(TrafficSpec spec,
//                         ParseTrafficSpec("lognormal:1.2,drift=0.99"));
//
// As text, with nothing before, between or after:
//
//   uniform          every expert has the same load
//   zipf:S           the r-th hottest expert has load r^-S
//   lognormal:SIGMA  the logarithm of a load is normal with deviation SIGMA
//   ...,drift=RHO    loads change from step to step: RHO is what a step keeps
//                    of the log loads (TrafficGenerator says how)

#ifndef EPLB_TESTING_TRAFFIC_H_
#define EPLB_TESTING_TRAFFIC_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eplb {

enum class TrafficSkew { kUniform, kZipf, kLognormal };

struct TrafficSpec {
  // The largest S and SIGMA: far beyond any real traffic.
  static constexpr double kMaxStrength = 16;

  TrafficSkew skew = TrafficSkew::kUniform;
  // S or SIGMA; 0 for uniform traffic.
  double strength = 0;
  // RHO; with 1 the loads stay as they are.
  double drift = 1;

  // InvalidArgument, naming the parameter, its value and the limits, unless
  // `strength` is in [0, kMaxStrength] and `drift` in [0, 1].
  absl::Status Validate() const;

  friend bool operator==(const TrafficSpec&, const TrafficSpec&) = default;
};

// InvalidArgument, naming the text, what is wrong with it and what is allowed.
absl::StatusOr<TrafficSpec> ParseTrafficSpec(absl::string_view text);

}  // namespace eplb

#endif  // EPLB_TESTING_TRAFFIC_H_
