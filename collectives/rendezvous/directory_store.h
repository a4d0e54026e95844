// DirectoryStore: rendezvous through files in a directory that all ranks see.
//
//   DirectoryStore store("/shared/jobs/rendezvous");
//
// One file per key, only readable by the user. It appears under its name when
// it is complete. Whoever can write to the directory can redirect ranks; the
// job's secret is the defence (docs/collectives.md).

#ifndef EPLB_COLLECTIVES_RENDEZVOUS_DIRECTORY_STORE_H_
#define EPLB_COLLECTIVES_RENDEZVOUS_DIRECTORY_STORE_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"

namespace eplb {

// Thread-safe.
class DirectoryStore final : public RendezvousStore {
 public:
  // Values beyond this size are not read: no rank writes such.
  static constexpr int kMaxValueBytes = 64 << 10;

  // The directory exists.
  explicit DirectoryStore(std::string path) : path_(std::move(path)) {}

  absl::Status Put(absl::string_view key, absl::string_view value,
                   SteadyTime deadline) override;
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view key,
                                                 SteadyTime deadline) override;
  absl::Status Remove(absl::string_view key, SteadyTime deadline) override;
  std::string ToString() const override;

 private:
  std::string PathOf(absl::string_view key) const;

  const std::string path_;
};

}  // namespace eplb

#endif  // EPLB_COLLECTIVES_RENDEZVOUS_DIRECTORY_STORE_H_
