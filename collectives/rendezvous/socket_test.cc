#include "collectives/rendezvous/socket.h"

#include <netdb.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "eplb/core/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/scoped_no_more_files.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses AddressOfPort(int port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  EXPECT_EQ(
      getaddrinfo("127.0.0.1", absl::StrCat(port).c_str(), &hints, &found), 0);
  return Addresses(found, &freeaddrinfo);
}

// Where nobody listens any more.
int ClosedPort() { return *LocalPort(*ListenOn("127.0.0.1")); }

class SocketTest : public testing::Test {
 protected:
  SteadyTime Soon() const { return clock_.Now() + std::chrono::seconds(20); }

  // As if a host had the one address and then the other.
  absl::StatusOr<Socket> ConnectToEither(int first_port, int second_port) {
    const Addresses first = AddressOfPort(first_port);
    const Addresses second = AddressOfPort(second_port);
    first->ai_next = second.get();
    absl::StatusOr<Socket> socket =
        ConnectToOneOf(first.get(), "the host", clock_, Soon());
    first->ai_next = nullptr;
    return socket;
  }

  SystemClock clock_;
};

TEST_F(SocketTest, ConnectsToTheFirstAddressThatAnswers) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Socket listener, ListenOn("127.0.0.1"));
  EPLB_ASSERT_OK_AND_ASSIGN(const int port, LocalPort(listener));
  EPLB_EXPECT_OK(ConnectToEither(ClosedPort(), port));
  EPLB_EXPECT_OK(AcceptFrom(listener));
  EPLB_EXPECT_OK(ConnectToEither(port, ClosedPort()));
  EPLB_EXPECT_OK(AcceptFrom(listener));
}

TEST_F(SocketTest, SaysWhyNoAddressAnswers) {
  EXPECT_THAT(ConnectToEither(ClosedPort(), ClosedPort()),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("connecting to the host"),
                             HasSubstr("refused"))));
}

TEST_F(SocketTest, ThereMayBeNoConnectionNow) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Socket listener, ListenOn("127.0.0.1"));
  EXPECT_THAT(AcceptFrom(listener), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SocketTest, NamesTheLimitOfFileDescriptors) {
  EPLB_ASSERT_OK_AND_ASSIGN(const Socket listener, ListenOn("127.0.0.1"));
  EPLB_ASSERT_OK_AND_ASSIGN(const int port, LocalPort(listener));
  EPLB_ASSERT_OK_AND_ASSIGN(
      const Socket visitor,
      ConnectTo(JoinHostPort("127.0.0.1", port), clock_, Soon()));
  const Addresses address = AddressOfPort(port);
  std::vector<absl::Status> refused;
  {
    const ScopedNoMoreFiles no_more_files;
    refused = {
        AcceptFrom(listener).status(), ListenOn("127.0.0.1").status(),
        ConnectToOneOf(address.get(), "the host", clock_, Soon()).status()};
  }
  EXPECT_THAT(refused, Each(StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("ulimit -n"))));
}

}  // namespace
}  // namespace eplb
