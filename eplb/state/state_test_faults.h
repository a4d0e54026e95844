// FaultyControlFactory: connects a rank of a state's test, whose control
// channel fails in a scripted way in the first epoch, over a network that can
// go down after it.
//
//   std::atomic<bool> network_is_down = true;
//   FaultyControlFactory factory(plain, clock,
//                                {{.operation = 7, .tells_others = false}},
//                                network_is_down);
//   TestRank rank(factory, clock, {0, 1, 2});
//   ... the state fails and cannot connect anew ...
//   network_is_down = false;
//   EPLB_EXPECT_OK(rank.state->Recover());

#ifndef EPLB_STATE_STATE_TEST_FAULTS_H_
#define EPLB_STATE_STATE_TEST_FAULTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/core/clock.h"
#include "testing/faulty_communicator.h"

namespace eplb {

// Of one rank, whose first Connect is that of its state. Thread-compatible.
class FaultyControlFactory final : public CommunicatorFactory {
 public:
  // All references outlive what it connects. `channel` is the one that fails,
  // by the name that the state gives it.
  FaultyControlFactory(CommunicatorFactory& factory, Clock& clock,
                       std::vector<Fault> script,
                       const std::atomic<bool>& network_is_down,
                       std::string channel = "eplb/control");

  // After the first time Unavailable while the network is down.
  absl::StatusOr<std::unique_ptr<Communicator>> Connect(
      uint64_t epoch, absl::Span<const int> members,
      SteadyTime deadline) override;

  // That the state has begun on the control channel of its first epoch, which
  // it still has.
  int64_t num_control_operations() const { return control_->num_operations(); }

 private:
  CommunicatorFactory& factory_;
  Clock& clock_;
  const std::vector<Fault> script_;
  const std::string channel_;
  const std::atomic<bool>& network_is_down_;
  bool has_connected_ = false;
  const FaultyCommunicator* control_ = nullptr;
};

}  // namespace eplb

#endif  // EPLB_STATE_STATE_TEST_FAULTS_H_
