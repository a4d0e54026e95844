// Propagates errors of absl::Status and absl::StatusOr.
//
//   EPLB_RETURN_IF_ERROR(shape.Validate());
//   EPLB_ASSIGN_OR_RETURN(Placement placement, Placement::Create(...));

#ifndef EPLB_CORE_STATUS_MACROS_H_
#define EPLB_CORE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function when `expression`, an absl::Status, is
// an error.
#define EPLB_RETURN_IF_ERROR(expression)         \
  do {                                           \
    ::absl::Status eplb_status_ = (expression);  \
    if (!eplb_status_.ok()) return eplb_status_; \
  } while (false)

// Assigns the value of `expression`, an absl::StatusOr, to `target` (which may
// declare a variable), or returns its error from the enclosing function.
#define EPLB_ASSIGN_OR_RETURN(target, ...)                                    \
  EPLB_ASSIGN_OR_RETURN_IMPL_(EPLB_STATUS_CONCAT_(eplb_status_or_, __LINE__), \
                              target, (__VA_ARGS__))

#define EPLB_ASSIGN_OR_RETURN_IMPL_(status_or, target, expression) \
  auto status_or = expression;                                     \
  if (!status_or.ok()) return std::move(status_or).status();       \
  target = *std::move(status_or)

#define EPLB_STATUS_CONCAT_(a, b) EPLB_STATUS_CONCAT_IMPL_(a, b)
#define EPLB_STATUS_CONCAT_IMPL_(a, b) a##b

#endif  // EPLB_CORE_STATUS_MACROS_H_
