#include "collectives/rendezvous/redis_store.h"

#include <poll.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/rendezvous/socket.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

constexpr absl::string_view kLineEnd = "\r\n";
constexpr size_t kMaxLineBytes = 512;

// One day: longer than a rendezvous, shorter than for ever.
constexpr int kLifeSeconds = 24 * 60 * 60;

// A command as Redis reads it: an array of strings that say their lengths.
std::string EncodeCommand(const std::vector<std::string>& words) {
  std::string bytes = absl::StrCat("*", words.size(), kLineEnd);
  for (const std::string& word : words) {
    absl::StrAppend(&bytes, "$", word.size(), kLineEnd, word, kLineEnd);
  }
  return bytes;
}

// Reads replies of one connection.
class ReplyReader {
 public:
  ReplyReader(const Socket& socket, Clock& clock, SteadyTime deadline)
      : socket_(socket), clock_(clock), deadline_(deadline) {}

  absl::StatusOr<std::optional<std::string>> Read() {
    EPLB_ASSIGN_OR_RETURN(const std::string line, ReadLine());
    const std::string rest = line.substr(1);
    switch (line.front()) {
      case '+':
      case ':':
        return std::optional<std::string>(rest);
      case '-':
        return absl::UnavailableError(absl::StrCat("it answers: ", rest));
      case '$':
        return ReadString(rest);
      default:
        return absl::DataLossError("its answer is not Redis's protocol");
    }
  }

 private:
  absl::StatusOr<std::string> ReadLine() {
    size_t end;
    while ((end = received_.find(kLineEnd.data())) == std::string::npos) {
      if (received_.size() > kMaxLineBytes) {
        return absl::DataLossError("its answer is not Redis's protocol");
      }
      EPLB_RETURN_IF_ERROR(ReadMore());
    }
    std::string line = received_.substr(0, end);
    received_.erase(0, end + kLineEnd.size());
    if (line.empty()) return absl::DataLossError("its answer is empty");
    return line;
  }

  absl::StatusOr<std::optional<std::string>> ReadString(
      const std::string& length) {
    int num_bytes = 0;
    if (!absl::SimpleAtoi(length, &num_bytes) || num_bytes < -1 ||
        num_bytes > RedisStore::kMaxValueBytes) {
      return absl::DataLossError(
          absl::StrCat("it announces a value of ", length, " bytes"));
    }
    if (num_bytes == -1) return std::nullopt;
    while (received_.size() < num_bytes + kLineEnd.size()) {
      EPLB_RETURN_IF_ERROR(ReadMore());
    }
    std::string value = received_.substr(0, num_bytes);
    received_.erase(0, num_bytes + kLineEnd.size());
    return value;
  }

  absl::Status ReadMore() {
    if (!WaitForSocket(socket_, POLLIN, clock_, deadline_)) {
      return absl::DeadlineExceededError("the deadline passed");
    }
    char bytes[4096];
    EPLB_ASSIGN_OR_RETURN(const size_t count,
                          ReadSome(socket_, absl::MakeSpan(bytes)));
    received_.append(bytes, count);
    return absl::OkStatus();
  }

  const Socket& socket_;
  Clock& clock_;
  const SteadyTime deadline_;
  std::string received_;
};

}  // namespace

RedisStore::RedisStore(RedisStoreOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

absl::StatusOr<std::vector<std::optional<std::string>>> RedisStore::Run(
    const std::vector<Command>& commands, SteadyTime deadline) const {
  std::vector<std::optional<std::string>> replies;
  const auto run = [&]() -> absl::Status {
    EPLB_ASSIGN_OR_RETURN(const Socket socket,
                          ConnectTo(options_.address, clock_, deadline));
    ReplyReader reader(socket, clock_, deadline);
    if (!options_.password.empty()) {
      EPLB_RETURN_IF_ERROR(WriteAll(socket,
                                    EncodeCommand({"AUTH", options_.password}),
                                    clock_, deadline));
      EPLB_RETURN_IF_ERROR(reader.Read().status());
    }
    for (const Command& command : commands) {
      EPLB_RETURN_IF_ERROR(
          WriteAll(socket, EncodeCommand(command), clock_, deadline));
      EPLB_ASSIGN_OR_RETURN(std::optional<std::string> reply, reader.Read());
      replies.push_back(std::move(reply));
    }
    return absl::OkStatus();
  };
  const absl::Status status = run();
  if (status.ok()) return replies;
  return absl::Status(status.code(),
                      absl::StrCat(ToString(), ": ", status.message()));
}

absl::StatusOr<std::optional<std::string>> RedisStore::Run(
    const Command& command, SteadyTime deadline) const {
  EPLB_ASSIGN_OR_RETURN(const std::vector<std::optional<std::string>> replies,
                        Run(std::vector<Command>{command}, deadline));
  return replies[0];
}

absl::Status RedisStore::Put(absl::string_view key, absl::string_view value,
                             SteadyTime deadline) {
  EPLB_ASSIGN_OR_RETURN(
      const std::optional<std::string> reply,
      Run(Command{"SET", absl::StrCat("eplb:", key), std::string(value), "EX",
                  absl::StrCat(kLifeSeconds), "NX"},
          deadline));
  if (reply.has_value()) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(ToString(), ": eplb:", key, " is there already"));
}

absl::StatusOr<std::optional<std::string>> RedisStore::Get(
    absl::string_view key, SteadyTime deadline) {
  return Run(Command{"GET", absl::StrCat("eplb:", key)}, deadline);
}

absl::StatusOr<std::vector<std::optional<std::string>>> RedisStore::GetAll(
    absl::Span<const std::string> keys, SteadyTime deadline) {
  std::vector<Command> commands;
  for (const std::string& key : keys) {
    commands.push_back({"GET", absl::StrCat("eplb:", key)});
  }
  return Run(commands, deadline);
}

absl::Status RedisStore::Remove(absl::string_view key, SteadyTime deadline) {
  return Run(Command{"DEL", absl::StrCat("eplb:", key)}, deadline).status();
}

std::string RedisStore::ToString() const {
  return absl::StrCat("Redis at ", options_.address);
}

}  // namespace eplb
