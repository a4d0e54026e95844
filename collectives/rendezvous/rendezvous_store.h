// RendezvousStore: where the ranks of a job leave each other their addresses.
//
//   EPLB_RETURN_IF_ERROR(store.Put("job7.e1.r0", "10.0.0.1:4711", deadline));
//   EPLB_ASSIGN_OR_RETURN(std::optional<std::string> peer,
//                         store.Get("job7.e1.r1", deadline));

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_RENDEZVOUS_STORE_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_RENDEZVOUS_STORE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

// Keys consist of letters, digits, '.', '-' and '_'. Thread-safe.
class RendezvousStore {
 public:
  virtual ~RendezvousStore() = default;

  // AlreadyExists when the key has a value, which then stays. Readers see all
  // of a value or nothing.
  virtual absl::Status Put(absl::string_view key, absl::string_view value,
                           SteadyTime deadline) = 0;

  // Nothing when the key has no value yet.
  virtual absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key, SteadyTime deadline) = 0;

  // The values of `keys` in their order. For a store that can do better than
  // one after the other.
  virtual absl::StatusOr<std::vector<std::optional<std::string>>> GetAll(
      absl::Span<const std::string> keys, SteadyTime deadline) {
    std::vector<std::optional<std::string>> values;
    for (const std::string& key : keys) {
      EPLB_ASSIGN_OR_RETURN(std::optional<std::string> value,
                            Get(key, deadline));
      values.push_back(std::move(value));
    }
    return values;
  }

  // For a value that nobody needs any more. No value is no error.
  virtual absl::Status Remove(absl::string_view key, SteadyTime deadline) = 0;

  // For messages to people.
  virtual std::string ToString() const = 0;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_RENDEZVOUS_STORE_H_
