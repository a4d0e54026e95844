// --listen: the address of this machine at which the other ranks reach this
// one.
//
//   EPLB_ASSIGN_OR_RETURN(ListenAddress address,
//                         ResolveListen("eth0", /*listen_any=*/false));

#ifndef EPLB_TOOLS_RUN_LISTEN_FLAG_H_
#define EPLB_TOOLS_RUN_LISTEN_FLAG_H_

#include <string>

#include "absl/status/statusor.h"

namespace eplb {

struct ListenAddress {
  std::string listen;
  // What the others are told.
  std::string advertised;
};

// The address of an interface of that name, IPv4 first, else `listen` itself.
// An address that stands for all of the machine (0.0.0.0, ::) is
// InvalidArgument unless `listen_any`; advertised is then the machine's first
// address beside the loopback ones, NotFound when there is none.
absl::StatusOr<ListenAddress> ResolveListen(const std::string& listen,
                                            bool listen_any);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_LISTEN_FLAG_H_
