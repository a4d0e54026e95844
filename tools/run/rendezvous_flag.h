// --rendezvous: where the processes of a job find each other.
//
//   EPLB_ASSIGN_OR_RETURN(std::shared_ptr<RendezvousStore> store,
//                         OpenRendezvous("redis://10.0.0.1:6379", clock));

#ifndef EPLB_TOOLS_RUN_RENDEZVOUS_FLAG_H_
#define EPLB_TOOLS_RUN_RENDEZVOUS_FLAG_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "collectives/rendezvous/rendezvous_store.h"
#include "eplb/core/clock.h"

namespace eplb {

// The store of file:///DIR (a directory that all ranks see) or
// redis://HOST:PORT. NotFound for a directory that is not there,
// InvalidArgument for anything else. `clock` outlives it.
absl::StatusOr<std::shared_ptr<RendezvousStore>> OpenRendezvous(
    absl::string_view address, Clock& clock);

// A directory that only this user can enter, in the folder for temporary files,
// for a job whose processes are all on this machine; made if it is not there.
// The last process to leave takes it away.
class LocalRendezvous {
 public:
  // PermissionDenied when somebody else has made it.
  static absl::StatusOr<std::unique_ptr<LocalRendezvous>> Open(
      absl::string_view job_id);
  LocalRendezvous(const LocalRendezvous&) = delete;
  LocalRendezvous& operator=(const LocalRendezvous&) = delete;
  ~LocalRendezvous();

  std::string address() const;

 private:
  explicit LocalRendezvous(std::string path);

  const std::string path_;
  const pid_t owner_;
};

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RENDEZVOUS_FLAG_H_
