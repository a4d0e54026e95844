#include "eplb/shuffle/commit_protocol.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "eplb/core/stable_hash.h"

namespace eplb {
namespace {

// What the records say together; FailedPrecondition where they cannot be of
// one unit.
absl::StatusOr<UnitRecord> FindDoubt(
    absl::Span<const UnitRecord> record_of_rank) {
  UnitRecord doubt;
  int first_rank = -1;
  for (size_t rank = 0; rank < record_of_rank.size(); ++rank) {
    const UnitRecord& record = record_of_rank[rank];
    if (record.doubtful_unit == UnitRecord::kNone) continue;
    if (first_rank < 0) {
      first_rank = static_cast<int>(rank);
      doubt = record;
    } else if (record.doubtful_unit != doubt.doubtful_unit) {
      return absl::FailedPreconditionError(absl::StrCat(
          "rank ", first_rank, " is in doubt about unit ", doubt.doubtful_unit,
          ", rank ", rank, " about unit ", record.doubtful_unit));
    } else if (record.doubtful_hash != doubt.doubtful_hash) {
      return absl::FailedPreconditionError(absl::StrCat(
          "ranks ", first_rank, " and ", rank,
          " are in doubt about different units number ", doubt.doubtful_unit));
    }
  }
  return doubt;
}

}  // namespace

absl::Status CountVotes(absl::Span<const int64_t> votes) {
  std::string noes;
  for (size_t rank = 0; rank < votes.size(); ++rank) {
    if (votes[rank] == 0) continue;
    absl::StrAppend(
        &noes, noes.empty() ? "" : ", ", "rank ", rank, " (",
        absl::StatusCodeToString(static_cast<absl::StatusCode>(votes[rank])),
        ")");
  }
  if (noes.empty()) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("not ready: ", noes));
}

std::vector<int64_t> UnitRecord::Serialize() const {
  std::vector<int64_t> words = {next_unit, committed_unit, commit_step,
                                doubtful_unit, doubtful_hash};
  StableHash hash;
  for (const int64_t word : words) hash.Add(static_cast<uint64_t>(word));
  words.push_back(static_cast<int64_t>(hash.value()));
  return words;
}

absl::StatusOr<UnitRecord> UnitRecord::Parse(absl::Span<const int64_t> words) {
  if (words.size() != UnitRecord().Serialize().size()) {
    return absl::DataLossError(
        absl::StrCat("a record of the units that were committed has ",
                     words.size(), " words"));
  }
  const UnitRecord record{.next_unit = words[0],
                          .committed_unit = words[1],
                          .commit_step = words[2],
                          .doubtful_unit = words[3],
                          .doubtful_hash = words[4]};
  if (record.Serialize().back() != words.back()) {
    return absl::DataLossError(
        "the checksum of a record of the units that were committed is wrong");
  }
  return record;
}

absl::StatusOr<DoubtOutcome> ResolveDoubt(
    absl::Span<const UnitRecord> record_of_rank) {
  auto doubt = FindDoubt(record_of_rank);
  if (!doubt.ok()) return doubt.status();
  DoubtOutcome outcome{.unit = doubt->doubtful_unit};
  for (const UnitRecord& record : record_of_rank) {
    outcome.next_unit = std::max(outcome.next_unit, record.next_unit);
    if (record.committed_unit > outcome.committed_unit) {
      outcome.committed_unit = record.committed_unit;
      outcome.commit_step = record.commit_step;
    }
  }
  for (size_t rank = 0; rank < record_of_rank.size(); ++rank) {
    const UnitRecord& record = record_of_rank[rank];
    const bool has_joined_since = record.next_unit <= outcome.committed_unit;
    if (record.committed_unit == outcome.committed_unit || has_joined_since ||
        record.doubtful_unit == outcome.committed_unit) {
      continue;
    }
    return absl::FailedPreconditionError(
        absl::StrCat("unit ", outcome.committed_unit,
                     " was committed, but rank ", rank, " has dropped it"));
  }
  return outcome;
}

absl::Status CommitProtocol::BeginRound2(int64_t unit, uint64_t hash) {
  if (doubtful_unit_ != UnitRecord::kNone) {
    return absl::FailedPreconditionError(
        absl::StrCat("unit ", doubtful_unit_,
                     " is in doubt; a new epoch has to settle it before unit ",
                     unit, " can be committed"));
  }
  doubtful_unit_ = unit;
  doubtful_hash_ = hash;
  return absl::OkStatus();
}

int64_t CommitProtocol::Commit(absl::Span<const int64_t> fence_of_rank) {
  commit_step_ = *std::max_element(fence_of_rank.begin(), fence_of_rank.end());
  committed_unit_ = std::exchange(doubtful_unit_, UnitRecord::kNone);
  return commit_step_;
}

std::optional<int64_t> CommitProtocol::doubtful_unit() const {
  if (doubtful_unit_ == UnitRecord::kNone) return std::nullopt;
  return doubtful_unit_;
}

UnitRecord CommitProtocol::record() const {
  return {.next_unit = next_unit_,
          .committed_unit = committed_unit_,
          .commit_step = commit_step_,
          .doubtful_unit = doubtful_unit_,
          .doubtful_hash = doubtful_unit_ == UnitRecord::kNone
                               ? 0
                               : static_cast<int64_t>(doubtful_hash_)};
}

void CommitProtocol::Resolve(const DoubtOutcome& outcome) {
  doubtful_unit_ = UnitRecord::kNone;
  next_unit_ = outcome.next_unit;
  committed_unit_ = outcome.committed_unit;
  commit_step_ = outcome.commit_step;
}

}  // namespace eplb
