#include "collectives/roll_call.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "collectives/communicator.h"
#include "collectives/little_endian.h"
#include "collectives/rank_values.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {

absl::StatusOr<std::unique_ptr<RollCall>> RollCall::Create(
    Communicator& control, Clock& clock, std::chrono::nanoseconds bound,
    SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> channel,
                        control.Clone("roll call", deadline));
  return absl::WrapUnique(new RollCall(std::move(channel), clock, bound));
}

RollCall::RollCall(std::unique_ptr<Communicator> channel, Clock& clock,
                   std::chrono::nanoseconds bound)
    : channel_(std::move(channel)), clock_(clock), bound_(bound) {}

void RollCall::Take() { Finish(Ask()); }

std::string RollCall::Ask() {
  std::byte mine[sizeof(uint64_t)];
  StoreLittleEndian(num_calls_, sizeof(mine), mine);
  std::vector<std::byte> all(sizeof(mine) * channel_->size());
  const absl::Status asked = channel_->AllGather(
      {mine, sizeof(mine)}, {all.data(), all.size()}, clock_.Now() + bound_);
  if (!asked.ok()) {
    return absl::StrCat("asked who had called: ", asked.message());
  }
  std::vector<uint64_t> num_calls;
  for (int rank = 0; rank < channel_->size(); ++rank) {
    num_calls.push_back(
        LoadLittleEndian(&all[rank * sizeof(mine)], sizeof(mine)));
  }
  const uint64_t most = *std::max_element(num_calls.begin(), num_calls.end());
  std::vector<int> missing;
  for (int rank = 0; rank < channel_->size(); ++rank) {
    if (num_calls[rank] < most) missing.push_back(rank);
  }
  return missing.empty() ? "all ranks had called"
                         : absl::StrCat(RankList(missing), " had not called");
}

void RollCall::Finish(std::string result) {
  absl::MutexLock lock(&mutex_);
  if (is_finished_) return;
  is_finished_ = true;
  result_ = std::move(result);
  finished_.SignalAll();
}

std::string RollCall::Result() {
  // Take has a deadline, so this has one.
  absl::MutexLock lock(&mutex_);
  while (!is_finished_) finished_.Wait(&mutex_);
  return result_;
}

void RollCall::Leave() {
  channel_->Abort(absl::UnavailableError("it has left"));
  Finish("this rank leaves");
}

}  // namespace eplb
