#include "eplb/load/file_format.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "eplb/core/status_macros.h"
#include "eplb/load/input_file.h"
#include "eplb/load/npy_header.h"
#include "nlohmann/json.hpp"

namespace eplb {
namespace {

// Reads a JSON object until one of its own names tells what it is.
class ObjectSniffer {
 public:
  const std::optional<FileFormat>& format() const { return format_; }

  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(int64_t) { return true; }
  bool number_unsigned(uint64_t) { return true; }
  bool number_float(double, const std::string&) { return true; }
  bool binary(nlohmann::json::binary_t&) { return true; }
  bool string(const std::string& value) {
    if (!expects_format_) return true;
    expects_format_ = false;
    if (absl::StartsWith(value, "eplb.placement/")) {
      format_ = FileFormat::kPlacement;
    } else if (absl::StartsWith(value, "eplb.load_dump/")) {
      format_ = FileFormat::kLoadDump;
    }
    return !format_;
  }
  bool start_object(size_t) { return ++depth_ > 0; }
  bool end_object() { return --depth_ > 0; }
  bool start_array(size_t) { return ++depth_ > 0; }
  bool end_array() { return --depth_ > 0; }
  bool key(const std::string& name) {
    if (depth_ > 1) return true;
    expects_format_ = name == "format";
    if (name == "logical_count") format_ = FileFormat::kJson;
    if (name == "window_expert_load" || name == "num_moe_layers") {
      format_ = FileFormat::kLoadDump;
    }
    if (name == "logical_replica_count") format_ = FileFormat::kPlacement;
    return !format_;
  }
  bool parse_error(size_t, const std::string&,
                   const nlohmann::json::exception&) {
    return false;
  }

 private:
  std::optional<FileFormat> format_;
  int64_t depth_ = 0;
  bool expects_format_ = false;
};

// Enough for what stands before the tables in any of the formats.
constexpr int64_t kHeadBytes = 1 << 16;

std::optional<FileFormat> FormatOfContent(absl::string_view head) {
  if (absl::StartsWith(head, kNpyMagic)) return FileFormat::kNpy;
  absl::ConsumePrefix(&head, "\xEF\xBB\xBF");
  if (absl::StartsWith(head, "layer_id")) return FileFormat::kCsv;
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(head);
  if (absl::StartsWith(text, "[")) return FileFormat::kJson;
  if (!absl::StartsWith(text, "{")) return std::nullopt;
  ObjectSniffer sniffer;
  nlohmann::json::sax_parse(text.begin(), text.end(), &sniffer,
                            nlohmann::json::input_format_t::json,
                            /*strict=*/false);
  return sniffer.format();
}

std::optional<FileFormat> FormatOfName(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  if (absl::EndsWith(lower, ".npy")) return FileFormat::kNpy;
  if (absl::EndsWith(lower, ".csv")) return FileFormat::kCsv;
  if (absl::EndsWith(lower, ".jsonl")) return FileFormat::kLoadDump;
  if (absl::EndsWith(lower, ".json")) return FileFormat::kJson;
  return std::nullopt;
}

}  // namespace

absl::string_view FileFormatName(FileFormat format) {
  switch (format) {
    case FileFormat::kNpy:
      return "npy";
    case FileFormat::kJson:
      return "json";
    case FileFormat::kCsv:
      return "csv";
    case FileFormat::kLoadDump:
      return "load_dump";
    case FileFormat::kPlacement:
      return "placement";
  }
  return "unknown";
}

absl::StatusOr<FileFormat> DetectFileFormat(const InputFile& file) {
  if (file.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": the file is empty"));
  }
  EPLB_ASSIGN_OR_RETURN(const std::string head, file.ReadHead(kHeadBytes));
  if (const auto format = FormatOfContent(head)) return *format;
  if (const auto format = FormatOfName(file.name())) return *format;
  return absl::InvalidArgumentError(absl::StrCat(
      file.name(),
      ": neither content nor name is that of a .npy, .json or .csv file of "
      "loads, a .jsonl load dump or a placement"));
}

}  // namespace eplb
