// RedisServer: a real redis-server of one test, on a port of its own.
//
//   if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server here";
//   RedisServer server;
//   RedisStore store({.address = server.address()}, clock);
//
// It keeps nothing on disk and ends with the object, or with the test.

#ifndef EPLB_TESTING_REDIS_SERVER_H_
#define EPLB_TESTING_REDIS_SERVER_H_

#include <sys/types.h>

#include <string>

#include "collectives/rendezvous/socket.h"
#include "testing/temporary_folder.h"

namespace eplb {

// Thread-compatible.
class RedisServer {
 public:
  static bool IsInstalled();

  // Returns when the server takes connections.
  RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer();

  std::string address() const;

 private:
  TemporaryFolder folder_;
  const Socket reservation_;
  pid_t pid_ = -1;
};

}  // namespace eplb

#endif  // EPLB_TESTING_REDIS_SERVER_H_
