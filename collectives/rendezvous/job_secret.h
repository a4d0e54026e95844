// The secret by which the ranks of a job know each other.
//
//   EPLB_ASSIGN_OR_RETURN(options.secret, JobSecretFromEnvironment());

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_JOB_SECRET_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_JOB_SECRET_H_

#include <string>

#include "absl/status/statusor.h"

namespace eplb {

// Shorter ones could be guessed.
inline constexpr int kMinSecretBytes = 16;

// The content of a file that belongs to the user and that nobody else can read
// or write (mode 0600 or 0400), without a line break at its end.
absl::StatusOr<std::string> ReadJobSecret(const std::string& path);

// EPLB_JOB_SECRET itself, or the file that EPLB_JOB_SECRET_FILE names; empty
// when neither is set.
absl::StatusOr<std::string> JobSecretFromEnvironment();

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_JOB_SECRET_H_
