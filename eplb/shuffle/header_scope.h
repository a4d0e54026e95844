// HeaderScope: what the ranks compare while they are about one unit.

#ifndef EPLB_SHUFFLE_HEADER_SCOPE_H_
#define EPLB_SHUFFLE_HEADER_SCOPE_H_

#include "collectives/checked.h"

namespace eplb {

// Sets the context of a channel, and puts back what its owner had there. The
// epoch and the forward pass stay the owner's: ranks must agree about these
// too.
class HeaderScope {
 public:
  HeaderScope(CheckedCommunicator& control, CheckContext context)
      : control_(control), before_(control.context()) {
    context.epoch = before_.epoch;
    context.forward_id = before_.forward_id;
    control_.context() = context;
  }
  HeaderScope(const HeaderScope&) = delete;
  HeaderScope& operator=(const HeaderScope&) = delete;
  ~HeaderScope() { control_.context() = before_; }

 private:
  CheckedCommunicator& control_;
  const CheckContext before_;
};

}  // namespace eplb

#endif  // EPLB_SHUFFLE_HEADER_SCOPE_H_
