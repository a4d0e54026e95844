// EplbConfig: what a deployment may set about balancing.
//
//   EplbConfig config;
//   config.step_interval = 500;
//   config.policy = "incremental";
//   EPLB_RETURN_IF_ERROR(config.Validate());

#ifndef EPLB_STATE_EPLB_CONFIG_H_
#define EPLB_STATE_EPLB_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collectives/configuration_fields.h"

namespace eplb {

// All ranks hold the same values, but for the dump folder and the timeout: the
// ranks compare them, and a difference is an error that names the field.
struct EplbConfig {
  // In num_redundant_experts: as few as make slots divide by the ranks.
  static constexpr int kAutoRedundantExperts = -1;

  // Steps whose loads count.
  int window_size = 1000;
  // Steps from a rearrangement to the next.
  int64_t step_interval = 3000;
  // Slots of a layer beyond one per logical expert, over all ranks.
  int num_redundant_experts = 0;
  // A name in the policy registry.
  std::string policy = "hierarchical";
  // Rearrange in a background thread.
  bool use_async = false;
  // Which backend connects the ranks; read by who makes the communicators.
  std::string communicator = "auto";

  // Report how even the loads are, every so many steps.
  bool log_balancedness = false;
  int64_t log_balancedness_interval = 1;
  // With a table of tokens per layer and rank.
  bool log_balancedness_verbose = false;

  // A plan that promises less is skipped.
  double min_balancedness_gain = 0;
  // A layer for which a plan moves more slots keeps its placement; 0 for no
  // limit.
  int max_moves_per_layer = 0;
  // What the policy `incremental` aims at.
  double target_balancedness = 0.97;
  // Bound of the memory that weights are received into; 0 for the experts that
  // one rank holds of one layer.
  int64_t staging_bytes = 0;
  // What a step may copy in the background.
  int64_t transfer_bytes_per_step = int64_t{64} << 20;
  // Layers switch together, at one step, while no rank copies more for it; 0
  // for one layer at a step. What switches together must fit into staging
  // together.
  int64_t switch_bytes_per_step = 0;
  // Of each operation.
  std::chrono::nanoseconds collective_timeout = std::chrono::seconds(60);
  // Compare a checksum of every row that was moved.
  bool verify_checksums = false;
  // How much less a step counts than the one after it; 1 for not at all.
  double load_decay = 1.0;
  // Where rank 0 writes what it saw, at the logging interval; empty for
  // nowhere.
  std::string expert_load_dump_dir = {};

  // InvalidArgument, naming field, value and rule, unless every field is in
  // its range.
  absl::Status Validate() const;

  // The redundancy of a model of `num_logical_experts` on `num_ranks`: the
  // field, or what "auto" means.
  absl::StatusOr<int> RedundantExperts(int num_logical_experts,
                                       int num_ranks) const;

  // What all ranks must hold alike.
  ConfigurationFields Fields() const;
};

}  // namespace eplb

#endif  // EPLB_STATE_EPLB_CONFIG_H_
