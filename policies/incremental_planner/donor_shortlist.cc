#include "policies/incremental_planner/donor_shortlist.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace eplb {
namespace {

// Candidates when a bar is set, and the number at which there are too many.
constexpr size_t kCandidates = 160;
constexpr size_t kTooMany = 320;

}  // namespace

void DonorShortlist::Restart() {
  for (const int32_t slot : candidates_) is_candidate_[slot] = 0;
  candidates_.clear();
  bar_ = std::numeric_limits<double>::infinity();
}

void DonorShortlist::Refresh(absl::Span<const double> bases) {
  const auto has_fallen = [&](int32_t slot) {
    if (bases[slot] >= bar_) return false;
    is_candidate_[slot] = 0;
    return true;
  };
  candidates_.erase(
      std::remove_if(candidates_.begin(), candidates_.end(), has_fallen),
      candidates_.end());
  if ((candidates_.size() < kMaxDonors && bar_ > kAllDonors) ||
      candidates_.size() > kTooMany) {
    SetBar(bases);
  }
}

void DonorShortlist::SetBar(absl::Span<const double> bases) {
  Restart();
  bar_ = kAllDonors;
  falling_.clear();
  for (const double base : bases) {
    if (base >= bar_) falling_.push_back(base);
  }
  if (falling_.size() > kCandidates) {
    const auto last = falling_.begin() + (kCandidates - 1);
    std::nth_element(falling_.begin(), last, falling_.end(),
                     std::greater<double>());
    bar_ = *last;
  }
  for (size_t slot = 0; slot < bases.size(); ++slot) {
    Consider(static_cast<int>(slot), bases[slot]);
  }
}

void DonorShortlist::KeepBest(std::vector<Donor>& donors) {
  const auto is_better = [](const Donor& a, const Donor& b) {
    return a.base != b.base ? a.base > b.base : a.slot < b.slot;
  };
  if (donors.size() > kMaxDonors) {
    std::nth_element(donors.begin(), donors.begin() + kMaxDonors, donors.end(),
                     is_better);
    donors.resize(kMaxDonors);
  }
  std::sort(donors.begin(), donors.end(), is_better);
}

}  // namespace eplb
