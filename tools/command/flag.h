// Flag: one --name=value of a command, declared as data, from which parsing,
// help and suggestions follow.
//
//   int slots = 0;
//   std::vector<Flag> flags = {
//       Required(IntegerFlag("slots", "slots per layer", 1, 4096, slots))};
//   EPLB_RETURN_IF_ERROR(flags[0].Set("288"));

#ifndef EPLB_TOOLS_COMMAND_FLAG_H_
#define EPLB_TOOLS_COMMAND_FLAG_H_

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace eplb {

struct Flag {
  std::string name;
  // What stands for the value in help: N, FILE, text|json.
  std::string value_name;
  std::string help;
  // The value without the flag; empty when there is none.
  std::string default_value;
  bool required = false;
  // What --name without a value stands for; empty when it needs one.
  std::string bare_value = {};
  // Values to offer where a value is typed; there may be others.
  std::vector<std::string> suggestions = {};
  // Checks the text of a value and stores it.
  std::function<absl::Status(absl::string_view)> store;

  // How it is written: --slots=N, --async.
  std::string Form() const;

  // InvalidArgument, naming flag, value and rule, unless `value` is one.
  absl::Status Set(absl::string_view value) const;
};

// In each, `target` holds the default, and is borrowed by the flag.

Flag TextFlag(absl::string_view name, absl::string_view value_name,
              absl::string_view help, std::string& target);
Flag ChoiceFlag(absl::string_view name, std::vector<std::string> choices,
                absl::string_view help, std::string& target);
// true or false; --name alone is true.
Flag BooleanFlag(absl::string_view name, absl::string_view help, bool& target);
// A decimal integer in [min, max].
Flag IntegerFlag(absl::string_view name, absl::string_view help, int min,
                 int max, int& target);
// A decimal number in (above, max].
Flag NumberFlag(absl::string_view name, absl::string_view help, double above,
                double max, double& target);
// A decimal number in [min, max].
Flag NumberFromFlag(absl::string_view name, absl::string_view help, double min,
                    double max, double& target);
// A number and its unit, 500ms, 30s, 2m or 1h, from a millisecond to a day.
Flag DurationFlag(absl::string_view name, absl::string_view help,
                  std::chrono::milliseconds& target);
// Integers in [min, max], separated by commas, none twice.
Flag IntegerListFlag(absl::string_view name, absl::string_view help, int min,
                     int max, std::vector<int>& target);
// Words, separated by commas, none empty or twice.
Flag TextListFlag(absl::string_view name, absl::string_view value_name,
                  absl::string_view help, std::vector<std::string>& target);

// The same flag, without which the command is an error.
Flag Required(Flag flag);

}  // namespace eplb

#endif  // EPLB_TOOLS_COMMAND_FLAG_H_
