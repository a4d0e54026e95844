// UnitRows: the addresses between which one unit moves bytes on a rank: live
// rows, rows of staging, and what goes to and comes from other ranks.

#ifndef EPLB_SHUFFLE_UNIT_ROWS_H_
#define EPLB_SHUFFLE_UNIT_ROWS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "eplb/shuffle/expert_weights.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "kernels/device.h"

namespace eplb {

// Where in a row of staging each tensor of an expert lies. Thread-compatible.
class StagingLayout {
 public:
  // At least the alignment that devices copy best with.
  static constexpr size_t kAlignment = 256;

  explicit StagingLayout(const ExpertWeights& weights);

  // Enough for an expert of any layer.
  size_t row_bytes() const { return row_bytes_; }
  size_t offset(int layer, int tensor) const { return offsets_[layer][tensor]; }

 private:
  std::vector<std::vector<size_t>> offsets_;
  size_t row_bytes_ = 0;
};

// Immutable.
class UnitRows {
 public:
  // `staging` are addresses of rows of staging, at least
  // `unit.max_staged_rows`.
  UnitRows(const ShuffleUnit& unit, const ExpertWeights& weights,
           const StagingLayout& layout, absl::Span<std::byte* const> staging);

  // Local sources that the switch overwrites, into staging.
  const std::vector<CopyRow>& saves() const { return saves_; }

  // Live rows to other ranks, and from them into staging. In the order in
  // which both sides list them.
  const std::vector<SendMessage>& sends() const { return sends_; }
  const std::vector<ReceiveMessage>& receives() const { return receives_; }

  // Everything that comes into live slots.
  const std::vector<CopyRow>& switches() const { return switches_; }

  // "layer 3, expert 7, tensor scale, from rank 2", of a receive.
  std::string DescribeReceive(size_t receive) const;

 private:
  struct Received {
    int layer;
    int expert;
    int tensor;
  };

  void AddLayer(const LayerChange& change);
  std::byte* Staged(int row, int layer, int tensor) const;

  const ExpertWeights& weights_;
  const StagingLayout& layout_;
  const std::vector<std::byte*> staging_;
  int num_rows_ = 0;
  std::vector<CopyRow> saves_;
  std::vector<SendMessage> sends_;
  std::vector<ReceiveMessage> receives_;
  std::vector<CopyRow> switches_;
  std::vector<Received> received_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_UNIT_ROWS_H_
