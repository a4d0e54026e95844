// What the house checks read out of Starlark files, without evaluating them.

#ifndef EPLB_TOOLS_HOUSE_STARLARK_TEXT_H_
#define EPLB_TOOLS_HOUSE_STARLARK_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eplb {

struct QuotedString {
  int line = 0;          // From 1.
  std::string function;  // The innermost call that it is an argument of.
  std::string value;
};

// The double-quoted strings in order; comments and docstrings are left out.
std::vector<QuotedString> QuotedStrings(absl::string_view starlark);

}  // namespace eplb

#endif  // EPLB_TOOLS_HOUSE_STARLARK_TEXT_H_
