// PreparedRoutes: how each layer of a unit routes once it is switched, made by
// the thread that plans, so that the one that switches only copies.

#ifndef EPLB_STATE_PREPARED_ROUTES_H_
#define EPLB_STATE_PREPARED_ROUTES_H_

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eplb/shuffle/shuffle_unit.h"
#include "kernels/route_rows.h"

namespace eplb {

// Of the layers of a unit, in its order.
using UnitRoutes = std::vector<RouteRows>;

// Thread-safe.
class PreparedRoutes {
 public:
  // Forgets those of units that nobody has any more.
  void Add(const std::shared_ptr<const ShuffleUnit>& unit, UnitRoutes routes) {
    auto added = std::make_shared<const UnitRoutes>(std::move(routes));
    absl::MutexLock lock(&mutex_);
    std::erase_if(
        routes_, [](const auto& entry) { return entry.second.unit.expired(); });
    routes_.insert_or_assign(unit.get(), Entry{unit, std::move(added)});
  }

  // Null for a unit that was not added. It is freed by a later Add.
  std::shared_ptr<const UnitRoutes> Find(const ShuffleUnit& unit) const {
    absl::MutexLock lock(&mutex_);
    const auto found = routes_.find(&unit);
    return found == routes_.end() ? nullptr : found->second.routes;
  }

 private:
  struct Entry {
    std::weak_ptr<const ShuffleUnit> unit;
    std::shared_ptr<const UnitRoutes> routes;
  };

  mutable absl::Mutex mutex_;
  std::map<const ShuffleUnit*, Entry> routes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_STATE_PREPARED_ROUTES_H_
