// RunOptions: what `eplb run` is asked to do, and its flags.

#ifndef EPLB_TOOLS_RUN_RUN_OPTIONS_H_
#define EPLB_TOOLS_RUN_RUN_OPTIONS_H_

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/state/eplb_config.h"
#include "tools/command/flag.h"
#include "tools/output_format.h"
#include "tools/policy_flags.h"
#include "tools/run/process_place.h"
#include "tools/traffic_source.h"

namespace eplb {

struct RunOptions {
  // Threads, or processes to spawn; a process that was started as one of
  // several takes the number of those instead.
  int ranks = 8;
  std::string backend = "in_process";
  bool spawn = false;
  ProcessFlags process;
  std::string rendezvous;
  std::string listen = "127.0.0.1";
  bool listen_any = false;
  std::chrono::milliseconds timeout = std::chrono::seconds(30);

  // Layers and experts are those of the file, where the traffic is one.
  TrafficSource traffic = {.traffic = "zipf:1.0"};
  int redundant = 16;
  int nodes = 1;
  int groups = 1;
  int expert_bytes = 65536;
  int tokens = 64;  // Of each rank and step.

  PolicyOptions policy;
  int interval = 100;
  int window = 100;
  bool use_async = false;
  double min_balancedness_gain = EplbConfig().min_balancedness_gain;
  double load_decay = EplbConfig().load_decay;
  bool verify_checksums = EplbConfig().verify_checksums;
  int staging_bytes = static_cast<int>(EplbConfig().staging_bytes);
  int transfer_bytes_per_step =
      static_cast<int>(EplbConfig().transfer_bytes_per_step);
  int switch_bytes_per_step =
      static_cast<int>(EplbConfig().switch_bytes_per_step);

  std::string dump_dir;
  std::string report;
  std::string trace_out;
  OutputFormat format;

  bool is_in_process() const { return backend == "in_process"; }

  // InvalidArgument, naming the flags, for flags that do not go together.
  absl::Status Validate() const;
};

// `options` is borrowed by the flags.
std::vector<Flag> RunFlags(RunOptions& options);

}  // namespace eplb

#endif  // EPLB_TOOLS_RUN_RUN_OPTIONS_H_
