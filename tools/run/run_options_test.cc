#include "tools/run/run_options.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"
#include "tools/command/command.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

absl::Status Parse(const std::vector<std::string>& words, RunOptions& options) {
  Command command;
  command.flags = RunFlags(options);
  const absl::Status status = ParseWords(command, words);
  return status.ok() ? options.Validate() : status;
}

TEST(RunOptionsTest, DefaultsAreTheContracts) {
  RunOptions options;
  ASSERT_THAT(Parse({}, options), IsOk());
  EXPECT_EQ(options.ranks, 8);
  EXPECT_TRUE(options.is_in_process());
  EXPECT_EQ(options.traffic.layers, 4);
  EXPECT_EQ(options.traffic.experts, 64);
  EXPECT_EQ(options.redundant, 16);
  EXPECT_EQ(options.expert_bytes, 65536);
  EXPECT_EQ(options.traffic.steps, 400);
  EXPECT_EQ(options.interval, 100);
  EXPECT_EQ(options.window, 100);
  EXPECT_EQ(options.traffic.traffic, "zipf:1.0");
  EXPECT_EQ(options.policy.policy, "hierarchical");
  EXPECT_FALSE(options.use_async);
  EXPECT_EQ(options.traffic.seed, 1);
  EXPECT_EQ(options.timeout, std::chrono::seconds(30));
  EXPECT_EQ(options.listen, "127.0.0.1");
}

TEST(RunOptionsTest, FlagsThatDoNotGoTogetherAreNamed) {
  const auto refused = [](const std::vector<std::string>& words,
                          const std::string& flag) {
    RunOptions options;
    EXPECT_THAT(Parse(words, options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(flag)));
  };
  refused({"--spawn"}, "--spawn");
  refused({"--rank=1", "--world_size=2"}, "--rank");
  refused({"--rendezvous=file:///tmp"}, "--rendezvous");
  refused({"--listen=eth0"}, "--listen");
  refused({"--backend=gloo", "--spawn", "--rank=0", "--world_size=2"},
          "--spawn");
  refused({"--backend=gloo", "--spawn", "--listen_any"}, "--listen_any");
}

TEST(RunOptionsTest, ProcessesMayBeSpawnedOrPlaced) {
  RunOptions spawned;
  EXPECT_THAT(Parse({"--backend=gloo", "--spawn"}, spawned), IsOk());
  RunOptions placed;
  EXPECT_THAT(Parse({"--backend=gloo", "--rank=1", "--world_size=2",
                     "--rendezvous=file:///tmp", "--listen=eth0"},
                    placed),
              IsOk());
  EXPECT_EQ(placed.process.rank, 1);
}

}  // namespace
}  // namespace eplb
