#include "eplb/load/load_dump_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "eplb/core/placement.h"
#include "eplb/load/dumped_rearrangement.h"
#include "eplb/load/file_error.h"
#include "eplb/load/json_writer.h"

namespace eplb {
namespace {

template <typename T>
void AddTable(JsonWriter& json, absl::string_view name,
              absl::Span<const T> table, int num_layers) {
  const size_t width = table.size() / static_cast<size_t>(num_layers);
  json.Key(name).BeginArray();
  for (int layer = 0; layer < num_layers; ++layer) {
    json.Integers(table.subspan(layer * width, width));
  }
  json.EndArray();
}

void AddRearrangements(JsonWriter& json,
                       absl::Span<const DumpedRearrangement> rearrangements) {
  if (rearrangements.empty()) return;
  json.Key("rearrangements").BeginArray();
  for (const DumpedRearrangement& rearrangement : rearrangements) {
    json.BeginObject()
        .Field("step", rearrangement.step)
        .Field("plan_seconds", rearrangement.plan_seconds);
    if (rearrangement.stall_seconds) {
      json.Field("stall_seconds", *rearrangement.stall_seconds);
    }
    json.Field("moved_slots", rearrangement.moved_slots)
        .Field("moved_bytes", rearrangement.moved_bytes)
        .EndObject();
  }
  json.EndArray();
}

std::string LineOf(const std::string& model_name, const LoadDumpEntry& entry) {
  const Placement& placement = *entry.placement;
  const int layers = placement.num_layers();
  JsonWriter json;
  json.BeginObject()
      .Field("format", "eplb.load_dump/1")
      .Field("model_name", model_name)
      .Field("world_size", entry.world_size)
      .Field("num_moe_layers", layers)
      .Field("num_physical_experts", placement.num_slots())
      .Field("num_logical_experts", placement.num_logical_experts())
      .Field("num_redundant_experts",
             placement.num_slots() - placement.num_logical_experts())
      .Field("window_size", entry.window_size)
      .Field("step", entry.step)
      .Field("balancedness", entry.balancedness);
  AddRearrangements(json, entry.rearrangements);
  AddTable<int64_t>(json, "window_expert_load",
                    DivideOverReplicas(entry.window_loads, placement), layers);
  AddTable<int64_t>(json, "latest_expert_load", entry.latest_slot_loads,
                    layers);
  AddTable<int32_t>(json, "physical_to_logical_map",
                    placement.physical_to_logical_map(), layers);
  json.EndObject();
  return json.Take() + "\n";
}

}  // namespace

std::vector<int64_t> DivideOverReplicas(absl::Span<const int64_t> loads,
                                        const Placement& placement) {
  const size_t num_slots = placement.num_slots();
  const size_t num_experts = placement.num_logical_experts();
  std::vector<int64_t> slot_loads(placement.num_layers() * num_slots);
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    for (size_t expert = 0; expert < num_experts; ++expert) {
      const absl::Span<const int32_t> slots =
          placement.slots_of_expert(layer, static_cast<int>(expert));
      const int64_t load = loads[layer * num_experts + expert];
      const int64_t count = static_cast<int64_t>(slots.size());
      for (int64_t i = 0; i < count; ++i) {
        slot_loads[layer * num_slots + slots[i]] =
            load / count + (i < load % count ? 1 : 0);
      }
    }
  }
  return slot_loads;
}

absl::StatusOr<LoadDumpWriter> LoadDumpWriter::Open(
    const std::string& folder, absl::string_view model_name) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return FileError(folder, "make the folder", error.value());
  std::string name(model_name);
  std::replace(name.begin(), name.end(), '/', '_');
  std::string path = absl::StrCat(folder, "/", name, "_expert_load.jsonl");
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return FileError(path, "write", errno);
  return LoadDumpWriter(std::string(model_name), std::move(path), descriptor);
}

LoadDumpWriter::LoadDumpWriter(std::string model_name, std::string path,
                               int descriptor)
    : model_name_(std::move(model_name)),
      path_(std::move(path)),
      descriptor_(descriptor) {}

LoadDumpWriter::LoadDumpWriter(LoadDumpWriter&& other) noexcept
    : model_name_(std::move(other.model_name_)),
      path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      ends_in_part_(other.ends_in_part_) {}

LoadDumpWriter& LoadDumpWriter::operator=(LoadDumpWriter&& other) noexcept {
  std::swap(model_name_, other.model_name_);
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(ends_in_part_, other.ends_in_part_);
  return *this;
}

LoadDumpWriter::~LoadDumpWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status LoadDumpWriter::Append(const LoadDumpEntry& entry) {
  const std::string line =
      (ends_in_part_ ? "\n" : "") + LineOf(model_name_, entry);
  ssize_t count;
  do {
    count = write(descriptor_, line.data(), line.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return FileError(path_, "write", errno);
  ends_in_part_ = static_cast<size_t>(count) < line.size();
  if (ends_in_part_) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path_, ": cannot write: only ", count, " of ", line.size(),
                     " bytes went in"));
  }
  return absl::OkStatus();
}

}  // namespace eplb
