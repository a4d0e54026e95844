#include "eplb/load/json_fields.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/error_place.h"
#include "eplb/load/json_table.h"
#include "nlohmann/json.hpp"

namespace eplb {
namespace {

// A name from outside, short and printable.
std::string Shown(absl::string_view name) {
  return absl::CHexEscape(name.substr(0, 40));
}

// The place that a parser had reached after `count` characters.
std::string LineAndColumn(absl::string_view text, size_t count) {
  const absl::string_view read = text.substr(0, count == 0 ? 0 : count - 1);
  const size_t line = std::count(read.begin(), read.end(), '\n') + 1;
  const size_t newline = read.rfind('\n');
  const size_t column = newline == absl::string_view::npos
                            ? read.size()
                            : read.size() - newline - 1;
  return absl::StrCat("line ", line, ", column ", column + 1);
}

// Receives what the parser meets; a false return ends the parsing with the
// error in status().
class FieldReader {
 public:
  FieldReader(absl::string_view text, std::vector<JsonFields::Field>& fields)
      : text_(text), fields_(fields) {}

  const absl::Status& status() const { return status_; }
  bool cut_short() const { return cut_short_; }

  // The functions that nlohmann::json::sax_parse calls.
  bool null() { return Other(); }
  bool boolean(bool) { return Other(); }
  bool number_integer(int64_t value) { return Number(value); }
  bool number_unsigned(uint64_t value) { return Number(value); }
  bool number_float(double value, const std::string&) { return Number(value); }
  bool string(const std::string& value);
  bool binary(nlohmann::json::binary_t&) { return Other(); }
  bool start_object(size_t);
  bool key(const std::string& name);
  bool end_object();
  bool start_array(size_t);
  bool end_array();
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::json::exception& error);

 private:
  // An object or array that is open.
  struct Container {
    bool is_object = false;
    std::set<std::string> names;
  };

  bool Fail(const absl::Status& status) {
    status_ = field_ == nullptr || field_->name.empty()
                  ? status
                  : WithPlace(field_->name, status);
    return false;
  }
  bool Check(const absl::Status& status) { return status.ok() || Fail(status); }
  bool Fail(absl::string_view what) {
    return Fail(absl::InvalidArgumentError(what));
  }

  bool Other();
  bool Number(const JsonNumber& number);
  bool Open(bool is_object);
  bool InField(size_t depth) const {
    return field_ != nullptr && open_.size() == depth + field_depth_;
  }
  void ChooseField(absl::string_view name);
  void FinishValue();

  absl::string_view text_;
  std::vector<JsonFields::Field>& fields_;
  absl::Status status_;
  bool cut_short_ = false;

  std::vector<Container> open_;
  // The field that is being read, and the containers open around it.
  JsonFields::Field* field_ = nullptr;
  size_t field_depth_ = 1;
  std::optional<JsonTableBuilder> table_;
  // The number of a record that the next value is.
  std::optional<size_t> record_number_;
};

void FieldReader::ChooseField(absl::string_view name) {
  field_depth_ = open_.size();
  for (JsonFields::Field& field : fields_) {
    if (field.name != name) continue;
    field_ = &field;
    if (auto* table = std::get_if<JsonFields::TableTarget>(&field.target)) {
      table_.emplace(table->rule);
    }
  }
}

// A value of the outermost object has ended.
void FieldReader::FinishValue() {
  if (field_ != nullptr && open_.size() == field_depth_) {
    field_ = nullptr;
    table_.reset();
  }
}

bool FieldReader::Open(bool is_object) {
  if (open_.size() == JsonFields::kMaxDepth) {
    return Fail(absl::StrCat("nested deeper than ", JsonFields::kMaxDepth));
  }
  open_.push_back({is_object, {}});
  return true;
}

bool FieldReader::start_object(size_t) {
  if (table_) return Check(table_->NotANumber());
  if (field_ != nullptr) {
    auto* records = std::get_if<JsonFields::RecordsTarget>(&field_->target);
    if (InField(0)) return Fail("must not be an object");
    if (record_number_ && InField(2)) return Other();
    if (records != nullptr && InField(1)) {
      if ((*records->value)->size() == JsonFields::kMaxRecords) {
        return Fail(
            absl::StrCat("more than ", JsonFields::kMaxRecords, " objects"));
      }
      (*records->value)->emplace_back(records->number_names.size());
    }
  }
  return Open(/*is_object=*/true);
}

bool FieldReader::key(const std::string& name) {
  std::set<std::string>& names = open_.back().names;
  if (names.size() == JsonFields::kMaxNamesPerObject) {
    return Fail(absl::StrCat("an object has more than ",
                             JsonFields::kMaxNamesPerObject, " names"));
  }
  if (!names.insert(name).second) {
    return Fail(absl::StrCat("the name '", Shown(name),
                             "' is there twice in one object"));
  }
  // An empty name would mean the document itself.
  if (open_.size() == 1 && !name.empty()) ChooseField(name);
  record_number_.reset();
  if (InField(2)) {
    if (auto* records =
            std::get_if<JsonFields::RecordsTarget>(&field_->target)) {
      const auto& wanted = records->number_names;
      const auto found = std::find(wanted.begin(), wanted.end(), name);
      if (found != wanted.end()) record_number_ = found - wanted.begin();
    }
  }
  return true;
}

bool FieldReader::end_object() {
  open_.pop_back();
  FinishValue();
  return true;
}

bool FieldReader::start_array(size_t) {
  if (open_.empty()) {
    ChooseField("");
    if (field_ == nullptr) return Fail("the document must be an object");
  }
  if (table_ && !Check(table_->OpenArray())) return false;
  if (InField(0) && !table_) {
    auto* records = std::get_if<JsonFields::RecordsTarget>(&field_->target);
    if (records == nullptr) return Fail("must not be an array");
    records->value->emplace();
  } else if (InField(1) || (record_number_ && InField(2))) {
    if (!table_) return Other();
  }
  return Open(/*is_object=*/false);
}

bool FieldReader::end_array() {
  open_.pop_back();
  if (table_) {
    if (!Check(table_->CloseArray())) return false;
    if (table_->complete()) {
      *std::get<JsonFields::TableTarget>(field_->target).value = table_->Take();
    }
  }
  FinishValue();
  return true;
}

bool FieldReader::string(const std::string& value) {
  if (InField(0)) {
    if (auto* text =
            std::get_if<std::optional<std::string>*>(&field_->target)) {
      **text = value;
      FinishValue();
      return true;
    }
  }
  return Other();
}

bool FieldReader::Number(const JsonNumber& number) {
  if (InField(0)) {
    if (auto* target = std::get_if<std::optional<int64_t>*>(&field_->target)) {
      const absl::StatusOr<int64_t> value =
          JsonInteger(number, std::numeric_limits<int64_t>::min(),
                      std::numeric_limits<int64_t>::max());
      if (!value.ok()) return Fail(value.status());
      **target = *value;
      FinishValue();
      return true;
    }
    return Other();
  }
  if (table_) return Check(table_->Add(number));
  if (record_number_ && InField(2)) {
    auto& records = *std::get<JsonFields::RecordsTarget>(field_->target).value;
    records->back()[*record_number_] = std::visit(
        [](auto value) { return static_cast<double>(value); }, number);
    return true;
  }
  return Other();
}

// A value of another kind than was asked for, or one that nobody asked for.
bool FieldReader::Other() {
  if (open_.empty()) return Fail("the document must be an object or an array");
  if (InField(0)) {
    return Fail(
        std::holds_alternative<std::optional<int64_t>*>(field_->target)
            ? "must be an integer"
        : std::holds_alternative<std::optional<std::string>*>(field_->target)
            ? "must be a string"
            : "must be an array");
  }
  if (table_) return Check(table_->NotANumber());
  if (InField(1)) return Fail("must be an array of objects");
  if (record_number_ && InField(2)) return Fail("its values must be numbers");
  return true;
}

bool FieldReader::parse_error(size_t position, const std::string& token,
                              const nlohmann::json::exception& error) {
  cut_short_ = position > text_.size();
  field_ = nullptr;
  const std::string place = LineAndColumn(text_, position);
  if (cut_short_) {
    return Fail(absl::StrCat(place, ": the JSON ends too early"));
  }
  // The parser's only other complaint is a number that no double holds.
  constexpr int kNumberOverflow = 406;
  return Fail(absl::StrCat(place,
                           error.id == kNumberOverflow
                               ? ": a number too large at '"
                               : ": not JSON at '",
                           Shown(token), "'"));
}

}  // namespace

void JsonFields::Integer(absl::string_view name,
                         std::optional<int64_t>& value) {
  fields_.push_back({std::string(name), &value});
}

void JsonFields::String(absl::string_view name,
                        std::optional<std::string>& value) {
  fields_.push_back({std::string(name), &value});
}

void JsonFields::Table(absl::string_view name, JsonTableRule rule,
                       std::optional<JsonTable>& value) {
  fields_.push_back({std::string(name), TableTarget{std::move(rule), &value}});
}

void JsonFields::Records(absl::string_view name,
                         std::vector<absl::string_view> number_names,
                         std::optional<std::vector<JsonRecord>>& value) {
  fields_.push_back(
      {std::string(name), RecordsTarget{std::move(number_names), &value}});
}

absl::Status JsonFields::Parse(absl::string_view text, bool* cut_short) {
  FieldReader reader(text, fields_);
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  if (cut_short != nullptr) *cut_short = reader.cut_short();
  return reader.status();
}

}  // namespace eplb
