// JsonWriter: writes one JSON value, compactly and in the order of the calls.
//
//   JsonWriter json;
//   json.BeginObject().Field("ranks", 8).Key("loads").Integers(loads);
//   json.EndObject();
//   std::string text = json.Take();  // {"ranks":8,"loads":[5,0,7]}

#ifndef EPLB_LOAD_JSON_WRITER_H_
#define EPLB_LOAD_JSON_WRITER_H_

#include <concepts>
#include <cstdint>
#include <ranges>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace eplb {

// The calls must add up to a value; a key comes before each value of an
// object. Thread-compatible.
class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(absl::string_view name);

  // Bytes that are no UTF-8 become replacement characters.
  JsonWriter& Value(absl::string_view text);
  JsonWriter& Value(const std::string& text) {
    return Value(absl::string_view(text));
  }
  JsonWriter& Value(const char* text) { return Value(absl::string_view(text)); }
  // The shortest text that reads back as the same number; null when it is not
  // finite, which JSON cannot say.
  JsonWriter& Value(double number);
  JsonWriter& Value(bool truth);
  JsonWriter& Value(std::integral auto number) {
    return Integer(static_cast<int64_t>(number));
  }

  JsonWriter& Integers(std::ranges::input_range auto&& numbers) {
    BeginArray();
    for (const auto number : numbers) Value(number);
    return EndArray();
  }

  template <typename T>
  JsonWriter& Field(absl::string_view name, const T& value) {
    return Key(name).Value(value);
  }

  std::string Take() { return std::move(text_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  JsonWriter& Integer(int64_t number);
  // A comma between two values of one container.
  void Separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace eplb

#endif  // EPLB_LOAD_JSON_WRITER_H_
