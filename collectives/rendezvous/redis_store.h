// RedisStore: rendezvous through a Redis server.
//
//   RedisStore store({.address = "10.0.0.1:6379"}, clock);
//
// What comes from the server is taken as little on trust as what comes from a
// rank: replies are bounded, and no reply can make a rank wait longer than its
// deadline.

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_REDIS_STORE_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_REDIS_STORE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"

namespace eplb {

struct RedisStoreOptions {
  std::string address = "127.0.0.1:6379";
  std::string password = {};  // Empty: none is asked for.
};

// Keys are led by "eplb:" and expire after a day. Thread-safe.
class RedisStore final : public RendezvousStore {
 public:
  // Values beyond this size are not read: no rank writes such.
  static constexpr int kMaxValueBytes = 64 << 10;

  RedisStore(RedisStoreOptions options, Clock& clock);

  absl::Status Put(absl::string_view key, absl::string_view value,
                   SteadyTime deadline) override;
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key,
                                                 SteadyTime deadline) override;
  absl::StatusOr<std::vector<std::optional<std::string>>> GetAll(
      absl::Span<const std::string> keys, SteadyTime deadline) override;
  absl::Status Remove(absl::string_view key, SteadyTime deadline) override;
  std::string ToString() const override;

 private:
  using Command = std::vector<std::string>;

  // The replies to commands, over a connection of their own: there are few.
  // Nothing for Redis's "nil".
  absl::StatusOr<std::vector<std::optional<std::string>>> Run(
      const std::vector<Command>& commands, SteadyTime deadline) const;
  absl::StatusOr<std::optional<std::string>> Run(const Command& command,
                                                 SteadyTime deadline) const;

  const RedisStoreOptions options_;
  Clock& clock_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_REDIS_STORE_H_
