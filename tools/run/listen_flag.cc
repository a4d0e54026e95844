#include "tools/run/listen_flag.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

// Whether peers could reach it: not where a scope would have to be named.
bool IsUsable(const sockaddr* address, int family) {
  if (address == nullptr || address->sa_family != family) return false;
  if (family == AF_INET) return true;
  return !IN6_IS_ADDR_LINKLOCAL(
      &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

std::string TextOf(const sockaddr* address) {
  char text[NI_MAXHOST];
  const socklen_t size = address->sa_family == AF_INET ? sizeof(sockaddr_in)
                                                       : sizeof(sockaddr_in6);
  if (getnameinfo(address, size, text, sizeof(text), nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return "";
  }
  return text;
}

bool IsAddress(const std::string& text) {
  in6_addr address;
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// Whether it stands for every network.
bool IsAnyAddress(const std::string& text) {
  in_addr v4;
  in6_addr v6;
  return (inet_pton(AF_INET, text.c_str(), &v4) == 1 &&
          v4.s_addr == htonl(INADDR_ANY)) ||
         (inet_pton(AF_INET6, text.c_str(), &v6) == 1 &&
          IN6_IS_ADDR_UNSPECIFIED(&v6));
}

// The first usable address of the interfaces that `wanted` accepts, IPv4
// before IPv6; empty when there is none.
absl::StatusOr<std::string> FirstAddress(
    absl::FunctionRef<bool(const ifaddrs&)> wanted) {
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) {
    return absl::InternalError(absl::StrCat(
        "cannot list the interfaces of this machine: ", strerror(errno)));
  }
  const absl::Cleanup free_list = [interfaces] { freeifaddrs(interfaces); };
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* i = interfaces; i != nullptr; i = i->ifa_next) {
      if (wanted(*i) && IsUsable(i->ifa_addr, family)) {
        return TextOf(i->ifa_addr);
      }
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<ListenAddress> ResolveListen(const std::string& listen,
                                            bool listen_any) {
  EPLB_ASSIGN_OR_RETURN(
      const std::string of_interface,
      FirstAddress([&](const ifaddrs& i) { return listen == i.ifa_name; }));
  if (!of_interface.empty()) return ListenAddress{of_interface, of_interface};
  if (!IsAddress(listen)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen=", listen,
                     ": is no interface of this machine and no address"));
  }
  if (!IsAnyAddress(listen)) return ListenAddress{listen, listen};
  if (!listen_any) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen=", listen,
        ": would listen on every network of this machine; name an interface, or"
        " give --listen_any as well"));
  }
  EPLB_ASSIGN_OR_RETURN(const std::string advertised,
                        FirstAddress([](const ifaddrs& i) {
                          return (i.ifa_flags & IFF_LOOPBACK) == 0;
                        }));
  if (advertised.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "--listen=", listen,
        ": this machine has no address that others could reach it at"));
  }
  return ListenAddress{listen, advertised};
}

}  // namespace eplb
