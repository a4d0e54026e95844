// One rank's communicator in FakeNccl. Part of fake_nccl.cc.

#ifndef EPLB_TESTING_FAKE_NCCL_COMM_H_
#define EPLB_TESTING_FAKE_NCCL_COMM_H_

#include <thread>

#include "collectives/nccl_api.h"
#include "testing/fake_nccl.h"
#include "testing/fake_nccl_work.h"

namespace eplb {

struct FakeNccl::Comm {
  enum class State { kInitializing, kReady, kFinalizing, kFinalized, kGone };

  NcclComm handle() { return reinterpret_cast<NcclComm>(this); }
  static Comm& Of(NcclComm comm) { return *reinterpret_cast<Comm*>(comm); }
  bool has_fault() const { return fault.error != NcclResult::kSuccess; }

  FakeNcclClique* clique = nullptr;
  int rank = 0;
  std::thread::id owner;
  State state = State::kInitializing;
  int polls_left = 0;
  int num_operations = 0;
  Fault fault = {NcclResult::kSuccess, ""};
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAKE_NCCL_COMM_H_
