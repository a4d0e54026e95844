// FaultyCommunicator: a decorator that fails in a scripted way at a chosen
// operation, to show what the code above makes of it.
//
//   FaultyCommunicator faulty(std::move(communicator), clock,
//                             {{.operation = 3,
//                               .kind = Fault::Kind::kFlipBit}});
//   ...
//   faulty.num_operations();  // To sweep every index: count first, then fail
//                             // at each of them.

#ifndef EPLB_TESTING_FAULTY_COMMUNICATOR_H_
#define EPLB_TESTING_FAULTY_COMMUNICATOR_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "collectives/call_gate.h"
#include "collectives/communicator.h"
#include "collectives/operation.h"
#include "eplb/core/clock.h"

namespace eplb {

struct Fault {
  enum class Kind {
    kDelay,       // Begins after `delay` on the clock, or at the deadline.
    kFailBefore,  // Fails with `status`; nothing is sent.
    kFailDuring,  // Fails with `status`; only half of what arrived is there.
    kFailAfter,   // Fails with `status` after all has arrived.
    kTruncate,    // Succeeds, though only half of what arrived is there.
    kFlipBit,     // Succeeds, but bit `bit` of what arrived is wrong.
    kHang,        // Neither calls nor returns before Abort or the deadline.
    kDie,         // Calls `die`; if that returns, fails as a rank that left.
    kStaleEpoch,  // A check header goes out with the epoch before its own.
  };

  int64_t operation = 0;  // Counted from 0, over all kinds of operations.
  Kind kind = Kind::kFailBefore;
  absl::Status status = absl::UnavailableError("scripted fault");
  std::chrono::nanoseconds delay{0};
  uint64_t bit = 0;  // Modulo the bits that arrived.
  std::function<void()> die = nullptr;

  // Whether the other ranks learn of a failure at once. Otherwise they wait to
  // their deadlines, as behind a cable that was cut.
  bool tells_others = true;
};

// Clones are without faults. Buffers are in host memory. The clock outlives
// it.
class FaultyCommunicator final : public Communicator {
 public:
  FaultyCommunicator(std::unique_ptr<Communicator> communicator, Clock& clock,
                     std::vector<Fault> script);
  ~FaultyCommunicator() override;

  // Operations begun so far. Thread-safe.
  int64_t num_operations() const { return num_operations_; }

  int rank() const override { return communicator_->rank(); }
  int size() const override { return communicator_->size(); }

  absl::Status AllReduceSum(absl::Span<int64_t> values,
                            SteadyTime deadline) override;
  absl::Status AllGather(ConstBuffer mine, Buffer all,
                         SteadyTime deadline) override;
  absl::Status Broadcast(Buffer data, int root, SteadyTime deadline) override;
  absl::Status Barrier(SteadyTime deadline) override;
  absl::Status Exchange(absl::Span<const SendMessage> sends,
                        absl::Span<const ReceiveMessage> receives,
                        SteadyTime deadline) override;
  absl::StatusOr<std::unique_ptr<Communicator>> Clone(
      absl::string_view name, SteadyTime deadline) override;
  void Abort(absl::Status reason) override;
  std::vector<int> AwaitedRanks() const override {
    return communicator_->AwaitedRanks();
  }
  std::string ToString() const override;

 private:
  // Runs `body` with the fault that the script has for this operation.
  // `arriving` is the memory that it fills.
  absl::Status Call(Operation operation, absl::Span<const Buffer> arriving,
                    SteadyTime deadline,
                    absl::FunctionRef<absl::Status()> body);

  absl::Status RunWithFault(const Fault& fault,
                            absl::Span<const Buffer> arriving,
                            SteadyTime deadline,
                            absl::FunctionRef<absl::Status()> body);
  const Fault* FaultOf(int64_t operation) const;
  absl::Status Fail(const Fault& fault, absl::Status status);
  absl::Status AwaitAbort(SteadyTime until);

  const std::unique_ptr<Communicator> communicator_;
  Clock& clock_;
  const std::vector<Fault> script_;
  std::atomic<int64_t> num_operations_ = 0;
  CallGate gate_;

  absl::Mutex mutex_;
  absl::CondVar aborted_;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAULTY_COMMUNICATOR_H_
