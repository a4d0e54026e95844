#include "tools/run/process_place.h"

#include <map>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Environment Of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

TEST(ProcessPlaceTest, FlagsSayIt) {
  const auto place =
      FindProcessPlace({.rank = 2, .world_size = 5, .job_id = "x7"}, Of({}));
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->rank, 2);
  EXPECT_EQ(place->world_size, 5);
  EXPECT_EQ(place->job_id, "x7");
  EXPECT_THAT(place->launcher, IsEmpty());
  EXPECT_FALSE(place->on_one_machine);
}

TEST(ProcessPlaceTest, OpenMpiSaysIt) {
  const Environment environment = Of({{"OMPI_COMM_WORLD_RANK", "3"},
                                      {"OMPI_COMM_WORLD_SIZE", "4"},
                                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                                      {"PMIX_NAMESPACE", "prte-a@7/1"}});
  const auto place = FindProcessPlace({}, environment);
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->rank, 3);
  EXPECT_EQ(place->world_size, 4);
  EXPECT_EQ(place->job_id, "prte-a_7_1");
  EXPECT_EQ(place->launcher, "Open MPI");
  EXPECT_TRUE(place->on_one_machine);
  EXPECT_EQ(LauncherOf(environment), "Open MPI");
}

TEST(ProcessPlaceTest, SlurmSaysIt) {
  const auto place = FindProcessPlace({}, Of({{"SLURM_PROCID", "0"},
                                              {"SLURM_STEP_NUM_TASKS", "16"},
                                              {"SLURM_STEP_NUM_NODES", "2"},
                                              {"SLURM_JOB_ID", "4711"},
                                              {"SLURM_STEP_ID", "3"}}));
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->world_size, 16);
  EXPECT_EQ(place->job_id, "4711-3");
  EXPECT_EQ(place->launcher, "Slurm");
  EXPECT_FALSE(place->on_one_machine);
}

TEST(ProcessPlaceTest, ABatchScriptOfSlurmIsNoRank) {
  EXPECT_THAT(LauncherOf(Of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "16"}})),
              IsEmpty());
}

TEST(ProcessPlaceTest, TorchrunSaysIt) {
  const auto place = FindProcessPlace({}, Of({{"RANK", "1"},
                                              {"WORLD_SIZE", "2"},
                                              {"LOCAL_WORLD_SIZE", "2"},
                                              {"TORCHELASTIC_RUN_ID", "none"},
                                              {"MASTER_PORT", "29500"}}));
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->rank, 1);
  EXPECT_EQ(place->job_id, "none-29500");
  EXPECT_EQ(place->launcher, "torchrun");
  EXPECT_TRUE(place->on_one_machine);
}

TEST(ProcessPlaceTest, FlagsGoBeforeMpiBeforeTorchrun) {
  const std::map<std::string, std::string> both = {
      {"OMPI_COMM_WORLD_RANK", "3"},
      {"OMPI_COMM_WORLD_SIZE", "4"},
      {"RANK", "0"},
      {"WORLD_SIZE", "1"}};
  EXPECT_EQ(FindProcessPlace({}, Of(both))->rank, 3);
  EXPECT_EQ(FindProcessPlace({.rank = 1, .world_size = 2}, Of(both))->rank, 1);
  EXPECT_EQ(FindProcessPlace({.job_id = "mine"}, Of(both))->job_id, "mine");
}

TEST(ProcessPlaceTest, WhatCannotBeIsNamed) {
  EXPECT_THAT(FindProcessPlace({}, Of({})),
              StatusIs(kInvalid,
                       AllOf(HasSubstr("--spawn"), HasSubstr("--rendezvous"))));
  EXPECT_THAT(FindProcessPlace({.rank = 1}, Of({})),
              StatusIs(kInvalid, "--rank is given without --world_size"));
  EXPECT_THAT(FindProcessPlace({.world_size = 4}, Of({})),
              StatusIs(kInvalid, "--world_size is given without --rank"));
  EXPECT_THAT(FindProcessPlace({.rank = 4, .world_size = 4}, Of({})),
              StatusIs(kInvalid, "--rank=4: must be below --world_size=4"));
  EXPECT_THAT(FindProcessPlace({}, Of({{"RANK", "4"}, {"WORLD_SIZE", "4"}})),
              StatusIs(kInvalid, "RANK=4: must be below WORLD_SIZE=4"));
  EXPECT_THAT(FindProcessPlace({}, Of({{"RANK", "x"}, {"WORLD_SIZE", "4"}})),
              StatusIs(kInvalid, "RANK=x: must be an integer of at least 0"));
  EXPECT_THAT(
      FindProcessPlace({}, Of({{"RANK", "0"}, {"WORLD_SIZE", "0"}})),
      StatusIs(kInvalid, "WORLD_SIZE=0: must be an integer of at least 1"));
}

TEST(ProcessPlaceTest, OneProcessAloneHasNoLauncher) {
  EXPECT_THAT(LauncherOf(Of({{"RANK", "0"}, {"WORLD_SIZE", "1"}})), IsEmpty());
}

}  // namespace
}  // namespace eplb
