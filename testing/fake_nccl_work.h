// What the streams of FakeNccl carry out: copies, and the operations of
// communicators, each when all ranks that take part have come to it.

#ifndef EPLB_TESTING_FAKE_NCCL_WORK_H_
#define EPLB_TESTING_FAKE_NCCL_WORK_H_

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collectives/nccl_api.h"

namespace eplb {

struct FakeNcclOperation {
  enum class Kind { kSend, kRecv, kAllReduce, kAllGather, kBroadcast, kCopy };

  Kind kind;
  const void* from = nullptr;
  void* to = nullptr;
  size_t count = 0;
  NcclDataType type = NcclDataType::kUint8;
  int peer = 0;  // Or the root.
  bool is_done = false;

  size_t num_bytes() const {
    return count * (type == NcclDataType::kInt64 ? 8 : 1);
  }
};

// The ranks of one unique id, and what those at the head of their streams wait
// for. Thread-compatible.
class FakeNcclClique {
 public:
  explicit FakeNcclClique(int num_ranks)
      : num_ranks_(num_ranks), collectives_(num_ranks) {}

  int num_ranks() const { return num_ranks_; }

  void Post(int rank, FakeNcclOperation& operation);

  // Carries out all for which everybody is there, and adds what does not fit
  // together to `violations`.
  void Match(std::vector<std::string>& violations);

  // Forgets what `rank` has posted.
  void Withdraw(int rank);

  // Of the ranks that have called CommInitRankConfig, the devices.
  std::map<int, int> device_of_rank;

 private:
  struct Pair {
    std::deque<FakeNcclOperation*> sends;
    std::deque<FakeNcclOperation*> receives;
  };

  void MatchMessages(std::vector<std::string>& violations);
  void MatchCollective(std::vector<std::string>& violations);

  const int num_ranks_;
  std::map<std::pair<int, int>, Pair> pairs_;  // By source and destination.
  std::vector<FakeNcclOperation*> collectives_;
};

// Thread-compatible.
class FakeCudaStreams {
 public:
  CudaStream Create(int device);
  // False when there is no such stream.
  bool Destroy(CudaStream stream);
  bool IsIdle(CudaStream stream) const;
  int num_streams() const { return streams_.size(); }

  // Work of `rank` of `clique`; a null clique for a copy.
  void Add(CudaStream stream, FakeNcclClique* clique, int rank,
           std::vector<FakeNcclOperation> operations);
  void Stall(int device, bool abort_ends_it);

  // Carries out what can be.
  void Run(std::vector<std::string>& violations);

  // Takes away the work of a rank that aborts.
  void Abort(FakeNcclClique* clique, int rank);

  bool HasWorkOf(const FakeNcclClique* clique, int rank) const;

 private:
  struct Work {
    FakeNcclClique* clique;
    int rank;
    std::vector<FakeNcclOperation> operations;
    bool is_posted = false;
  };
  struct Stream {
    int device;
    std::list<Work> work;
  };

  // Returns whether something at the head began or ended.
  bool Advance(Stream& stream);

  std::map<CudaStream, Stream> streams_;
  size_t num_made_ = 0;
  std::map<int, bool> stalled_;  // By device: whether an abort ends it.
};

}  // namespace eplb

#endif  // EPLB_TESTING_FAKE_NCCL_WORK_H_
