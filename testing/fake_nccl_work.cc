#include "testing/fake_nccl_work.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collectives/nccl_api.h"

namespace eplb {
namespace {

using Kind = FakeNcclOperation::Kind;

void CopyBytes(void* to, const void* from, size_t num_bytes) {
  if (num_bytes > 0) std::memmove(to, from, num_bytes);
}

std::string Describe(const FakeNcclOperation& operation) {
  static constexpr const char* kNames[] = {
      "send", "receive", "all-reduce", "all-gather", "broadcast", "copy"};
  return absl::StrCat(
      kNames[static_cast<int>(operation.kind)], " of ", operation.count,
      operation.type == NcclDataType::kInt64 ? " int64" : " uint8",
      operation.kind == Kind::kBroadcast
          ? absl::StrCat(" from rank ", operation.peer)
          : "");
}

bool FitTogether(const FakeNcclOperation& a, const FakeNcclOperation& b) {
  return a.kind == b.kind && a.count == b.count && a.type == b.type &&
         a.peer == b.peer;
}

void SumAll(const std::vector<FakeNcclOperation*>& ranks) {
  std::vector<uint64_t> sums(ranks[0]->count);
  for (const FakeNcclOperation* rank : ranks) {
    const uint64_t* const values = static_cast<const uint64_t*>(rank->from);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += values[i];
  }
  for (FakeNcclOperation* rank : ranks) {
    CopyBytes(rank->to, sums.data(), rank->num_bytes());
  }
}

void GatherAll(const std::vector<FakeNcclOperation*>& ranks) {
  const size_t num_bytes = ranks[0]->num_bytes();
  for (FakeNcclOperation* rank : ranks) {
    char* to = static_cast<char*>(rank->to);
    for (const FakeNcclOperation* source : ranks) {
      CopyBytes(to, source->from, num_bytes);
      to += num_bytes;
    }
  }
}

void BroadcastToAll(const std::vector<FakeNcclOperation*>& ranks) {
  const FakeNcclOperation& root = *ranks[ranks[0]->peer];
  for (FakeNcclOperation* rank : ranks) {
    CopyBytes(rank->to, root.from, root.num_bytes());
  }
}

}  // namespace

void FakeNcclClique::Post(int rank, FakeNcclOperation& operation) {
  if (operation.kind == Kind::kSend) {
    pairs_[{rank, operation.peer}].sends.push_back(&operation);
  } else if (operation.kind == Kind::kRecv) {
    pairs_[{operation.peer, rank}].receives.push_back(&operation);
  } else {
    collectives_[rank] = &operation;
  }
}

void FakeNcclClique::Match(std::vector<std::string>& violations) {
  MatchMessages(violations);
  MatchCollective(violations);
}

void FakeNcclClique::MatchMessages(std::vector<std::string>& violations) {
  for (auto& [ranks, pair] : pairs_) {
    while (!pair.sends.empty() && !pair.receives.empty()) {
      FakeNcclOperation& send = *pair.sends.front();
      FakeNcclOperation& receive = *pair.receives.front();
      if (send.count != receive.count || send.type != receive.type) {
        violations.push_back(
            absl::StrCat(Describe(send), " of rank ", ranks.first, " meets ",
                         Describe(receive), " of rank ", ranks.second));
      }
      CopyBytes(receive.to, send.from,
                std::min(send.num_bytes(), receive.num_bytes()));
      send.is_done = receive.is_done = true;
      pair.sends.pop_front();
      pair.receives.pop_front();
    }
  }
}

void FakeNcclClique::MatchCollective(std::vector<std::string>& violations) {
  for (const FakeNcclOperation* operation : collectives_) {
    if (operation == nullptr) return;
  }
  bool all_fit = true;
  for (int rank = 1; rank < num_ranks_; ++rank) {
    if (FitTogether(*collectives_[0], *collectives_[rank])) continue;
    all_fit = false;
    violations.push_back(
        absl::StrCat(Describe(*collectives_[0]), " of rank 0 meets ",
                     Describe(*collectives_[rank]), " of rank ", rank));
  }
  if (all_fit && collectives_[0]->kind == Kind::kAllReduce) {
    SumAll(collectives_);
  } else if (all_fit && collectives_[0]->kind == Kind::kAllGather) {
    GatherAll(collectives_);
  } else if (all_fit) {
    BroadcastToAll(collectives_);
  }
  for (FakeNcclOperation*& operation : collectives_) {
    operation->is_done = true;
    operation = nullptr;
  }
}

void FakeNcclClique::Withdraw(int rank) {
  collectives_[rank] = nullptr;
  for (auto& [ranks, pair] : pairs_) {
    if (ranks.first == rank) pair.sends.clear();
    if (ranks.second == rank) pair.receives.clear();
  }
}

CudaStream FakeCudaStreams::Create(int device) {
  const CudaStream stream = reinterpret_cast<CudaStream>(++num_made_);
  streams_[stream] = {.device = device, .work = {}};
  return stream;
}

bool FakeCudaStreams::Destroy(CudaStream stream) {
  return streams_.erase(stream) > 0;
}

bool FakeCudaStreams::IsIdle(CudaStream stream) const {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.work.empty();
}

void FakeCudaStreams::Add(CudaStream stream, FakeNcclClique* clique, int rank,
                          std::vector<FakeNcclOperation> operations) {
  streams_.at(stream).work.push_back(
      {.clique = clique, .rank = rank, .operations = std::move(operations)});
}

void FakeCudaStreams::Stall(int device, bool abort_ends_it) {
  stalled_[device] = abort_ends_it;
}

bool FakeCudaStreams::Advance(Stream& stream) {
  if (stream.work.empty() || stalled_.count(stream.device) > 0) return false;
  Work& work = stream.work.front();
  if (work.clique == nullptr) {
    for (const FakeNcclOperation& copy : work.operations) {
      CopyBytes(copy.to, copy.from, copy.num_bytes());
    }
  } else if (!work.is_posted) {
    work.is_posted = true;
    for (FakeNcclOperation& operation : work.operations) {
      work.clique->Post(work.rank, operation);
    }
    return true;
  } else {
    for (const FakeNcclOperation& operation : work.operations) {
      if (!operation.is_done) return false;
    }
  }
  stream.work.pop_front();
  return true;
}

void FakeCudaStreams::Run(std::vector<std::string>& violations) {
  for (bool moved = true; moved;) {
    moved = false;
    for (auto& [handle, stream] : streams_) {
      while (Advance(stream)) {
        moved = true;
        if (stream.work.empty()) break;
        FakeNcclClique* const clique = stream.work.front().clique;
        if (clique != nullptr) clique->Match(violations);
      }
    }
  }
}

void FakeCudaStreams::Abort(FakeNcclClique* clique, int rank) {
  clique->Withdraw(rank);
  for (auto& [handle, stream] : streams_) {
    const size_t before = stream.work.size();
    stream.work.remove_if([&](const Work& work) {
      return work.clique == clique && work.rank == rank;
    });
    const auto stalled = stalled_.find(stream.device);
    if (stream.work.size() < before && stalled != stalled_.end() &&
        stalled->second) {
      stalled_.erase(stalled);
    }
  }
}

bool FakeCudaStreams::HasWorkOf(const FakeNcclClique* clique, int rank) const {
  for (const auto& [handle, stream] : streams_) {
    for (const Work& work : stream.work) {
      if (work.clique == clique && work.rank == rank) return true;
    }
  }
  return false;
}

}  // namespace eplb
