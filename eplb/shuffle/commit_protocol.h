// CommitProtocol: when a unit counts as agreed. Decides, and does nothing
// else: what ranks say to each other comes in and goes out as values, so that
// a test can drive it with every order of messages.
//
//   CommitProtocol protocol;
//   const int64_t unit = protocol.Begin();
//   ... stage, vote (CountVotes) ...
//   EPLB_RETURN_IF_ERROR(protocol.BeginRound2(unit, hash));
//   ... gather the fences of all ranks; from here on the rank is in doubt ...
//   const int64_t step = protocol.Commit(fences);
//
// A rank that began round 2 and did not see it complete stays in doubt until a
// new epoch tells: if any rank knows the commit, all commit, else all drop.
// docs/shuffle.md has the argument.

#ifndef EPLB_SHUFFLE_COMMIT_PROTOCOL_H_
#define EPLB_SHUFFLE_COMMIT_PROTOCOL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace eplb {

// OK when all votes are: `votes` are status codes in rank order, 0 for ready.
// Otherwise Aborted, naming the ranks that said no and their reasons.
absl::Status CountVotes(absl::Span<const int64_t> votes);

// What a rank says of itself when an epoch opens.
struct UnitRecord {
  static constexpr int64_t kNone = -1;

  int64_t next_unit = 0;
  int64_t committed_unit = kNone;  // The last one it knows of.
  int64_t commit_step = kNone;     // Of that.
  int64_t doubtful_unit = kNone;
  int64_t doubtful_hash = 0;  // Of what that unit was to install.

  // As words to send, with a checksum: a wrong record would make a rank drop
  // what the others commit. Parse returns DataLoss when it does not fit.
  std::vector<int64_t> Serialize() const;
  static absl::StatusOr<UnitRecord> Parse(absl::Span<const int64_t> words);

  friend bool operator==(const UnitRecord&, const UnitRecord&) = default;
};

// What all ranks make of it.
struct DoubtOutcome {
  int64_t unit = UnitRecord::kNone;  // In doubt on some rank, or kNone.
  int64_t committed_unit = UnitRecord::kNone;  // The last one of all ranks.
  int64_t commit_step = UnitRecord::kNone;     // Of that.
  int64_t next_unit = 0;

  bool has_doubt() const { return unit != UnitRecord::kNone; }
  bool is_committed() const { return has_doubt() && committed_unit == unit; }

  friend bool operator==(const DoubtOutcome&, const DoubtOutcome&) = default;
};

// Deterministic. FailedPrecondition, naming ranks, for records that this
// protocol cannot have left behind: the ranks are not of one job.
absl::StatusOr<DoubtOutcome> ResolveDoubt(
    absl::Span<const UnitRecord> record_of_rank);

// One rank's memory of it. Thread-compatible.
class CommitProtocol {
 public:
  // The number of the next unit; all ranks begin units in the same order.
  int64_t Begin() { return next_unit_++; }

  // This rank is about to send its fence for `unit`: from now on it is in
  // doubt. FailedPrecondition while it is about another unit. `hash` is of
  // what the unit installs.
  absl::Status BeginRound2(int64_t unit, uint64_t hash);

  // Round 2 is complete: the doubtful unit is committed, on every rank, at the
  // latest of their fences, which is returned.
  int64_t Commit(absl::Span<const int64_t> fence_of_rank);

  std::optional<int64_t> doubtful_unit() const;

  UnitRecord record() const;

  // Ends the doubt, if any, as all ranks do. The outcome is of ResolveDoubt
  // with this rank's record among the others.
  void Resolve(const DoubtOutcome& outcome);

 private:
  int64_t next_unit_ = 0;
  int64_t committed_unit_ = UnitRecord::kNone;
  int64_t commit_step_ = UnitRecord::kNone;
  int64_t doubtful_unit_ = UnitRecord::kNone;
  uint64_t doubtful_hash_ = 0;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_COMMIT_PROTOCOL_H_
