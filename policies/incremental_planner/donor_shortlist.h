// DonorShortlist: the best few of many donors, without a look at all of them.

#ifndef EPLB_POLICIES_INCREMENTAL_PLANNER_DONOR_SHORTLIST_H_
#define EPLB_POLICIES_INCREMENTAL_PLANNER_DONOR_SHORTLIST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace eplb {

// A slot whose replica can be given up, and what that is worth at most.
struct Donor {
  double base;
  int32_t slot;
};

// From one search to the next few bases change, so it keeps the slots whose
// bases reach a bar: some more than are listed, for the bar to hold through
// many changes. Thread-compatible. Keeps its memory between calls.
class DonorShortlist {
 public:
  // How many donors are listed. It bounds the work per change on wide groups.
  static constexpr size_t kMaxDonors = 64;

  explicit DonorShortlist(int num_slots) : is_candidate_(num_slots) {}

  // All bases are new.
  void Restart();
  // The slot's base, if it is a donor, is now this.
  void Consider(int slot, double base) {
    if (base < bar_ || is_candidate_[slot] != 0) return;
    is_candidate_[slot] = 1;
    candidates_.push_back(slot);
  }

  // Lists the best that are promising: by falling base, then by slot. `bases`
  // is per slot, -infinity where there is no donor. What holds for a base must
  // hold for larger ones.
  template <typename IsPromising>
  void List(absl::Span<const double> bases, IsPromising is_promising,
            std::vector<Donor>& donors) {
    Refresh(bases);
    donors.clear();
    for (const int32_t slot : candidates_) {
      if (is_promising(bases[slot])) donors.push_back({bases[slot], slot});
    }
    KeepBest(donors);
  }

 private:
  // No slot is below this bar that is a donor.
  static constexpr double kAllDonors = std::numeric_limits<double>::lowest();

  // Drops those that have fallen below the bar, and sets another one where too
  // few or too many reach it.
  void Refresh(absl::Span<const double> bases);
  void SetBar(absl::Span<const double> bases);
  static void KeepBest(std::vector<Donor>& donors);

  double bar_ = std::numeric_limits<double>::infinity();
  // All slots whose base reaches the bar, and some that did.
  std::vector<int32_t> candidates_;
  std::vector<uint8_t> is_candidate_;  // per slot
  std::vector<double> falling_;        // bases, while a bar is sought
};

}  // namespace eplb

#endif  // EPLB_POLICIES_INCREMENTAL_PLANNER_DONOR_SHORTLIST_H_
