#include "collectives/disagreement_rounds.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/configuration_fields.h"
#include "collectives/exchange_pairing.h"
#include "collectives/little_endian.h"
#include "eplb/core/clock.h"
#include "eplb/core/status_macros.h"

namespace eplb {
namespace {

using GatherFunction =
    absl::FunctionRef<absl::Status(ConstBuffer mine, Buffer all)>;

// `words` of all ranks, in rank order.
absl::StatusOr<std::vector<uint64_t>> GatherWords(
    int num_ranks, GatherFunction gather, absl::Span<const uint64_t> words) {
  std::vector<std::byte> mine(words.size() * 8);
  for (size_t i = 0; i < words.size(); ++i) {
    StoreLittleEndian(words[i], 8, &mine[i * 8]);
  }
  std::vector<std::byte> all(mine.size() * num_ranks);
  EPLB_RETURN_IF_ERROR(
      gather({mine.data(), mine.size()}, {all.data(), all.size()}));
  std::vector<uint64_t> gathered(words.size() * num_ranks);
  for (size_t i = 0; i < gathered.size(); ++i) {
    gathered[i] = LoadLittleEndian(&all[i * 8], 8);
  }
  return gathered;
}

// What one rank sends to, or receives from, one other.
struct PairTotals {
  static constexpr int kWords = 3;
  uint64_t num_messages = 0;
  uint64_t num_bytes = 0;
  uint64_t hash = 0;

  void Count(int source, int destination, uint64_t bytes) {
    hash += MessageHash(source, destination, num_messages, bytes);
    ++num_messages;
    num_bytes += bytes;
  }
  std::string Text() const {
    return absl::StrCat(num_messages, " messages of ", num_bytes, " bytes");
  }
  friend bool operator==(const PairTotals&, const PairTotals&) = default;
};

void Append(const PairTotals& totals, std::vector<uint64_t>& words) {
  words.insert(words.end(),
               {totals.num_messages, totals.num_bytes, totals.hash});
}

PairTotals Load(const uint64_t* words) {
  return {.num_messages = words[0], .num_bytes = words[1], .hash = words[2]};
}

std::string DescribePairs(absl::Span<const uint64_t> gathered, int num_ranks) {
  // More would not help the reader.
  constexpr size_t kMaxPairs = 4;
  // Per rank: sends to each peer, then receives from each peer.
  const size_t row = PairTotals::kWords;
  const auto totals = [&](int rank, int side, int peer) {
    return Load(&gathered[((rank * 2 + side) * num_ranks + peer) * row]);
  };
  std::vector<std::string> pairs;
  for (int source = 0; source < num_ranks; ++source) {
    for (int destination = 0; destination < num_ranks; ++destination) {
      const PairTotals sent = totals(source, 0, destination);
      const PairTotals received = totals(destination, 1, source);
      if (sent == received) continue;
      if (pairs.size() == kMaxPairs) {
        pairs.push_back("and more");
        return absl::StrJoin(pairs, "; ");
      }
      pairs.push_back(absl::StrCat(
          "rank ", source, " sends ", sent.Text(), " to rank ", destination,
          ", which receives ", received.Text(),
          sent.Text() == received.Text() ? " in other sizes or another order"
                                         : ""));
    }
  }
  return absl::StrJoin(pairs, "; ");
}

}  // namespace

absl::StatusOr<std::string> DescribeConfigurationDifferences(
    Communicator& communicator, const ConfigurationFields& own,
    SteadyTime deadline) {
  constexpr size_t kChunkBytes = 4096;
  const int num_ranks = communicator.size();
  EPLB_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes,
                        GatherWords(num_ranks,
                                    [&](ConstBuffer mine, Buffer all) {
                                      return communicator.AllGather(mine, all,
                                                                    deadline);
                                    },
                                    {uint64_t{own.bytes().size()}}));
  for (int rank = 0; rank < num_ranks; ++rank) {
    if (sizes[rank] > ConfigurationFields::kMaxBytes) {
      return absl::DataLossError(absl::StrCat("rank ", rank,
                                              " announces a configuration of ",
                                              sizes[rank], " bytes"));
    }
  }
  const size_t longest = *std::max_element(sizes.begin(), sizes.end());
  std::vector<std::string> bytes_of_rank(num_ranks);
  std::vector<char> all(kChunkBytes * num_ranks);
  for (size_t begin = 0; begin < longest; begin += kChunkBytes) {
    std::string mine =
        own.bytes().substr(std::min(begin, own.bytes().size()), kChunkBytes);
    mine.resize(kChunkBytes);
    EPLB_RETURN_IF_ERROR(communicator.AllGather(
        {mine.data(), mine.size()}, {all.data(), all.size()}, deadline));
    for (int rank = 0; rank < num_ranks; ++rank) {
      bytes_of_rank[rank].append(&all[rank * kChunkBytes], kChunkBytes);
    }
  }
  std::vector<ConfigurationFields> fields_of_rank;
  for (int rank = 0; rank < num_ranks; ++rank) {
    bytes_of_rank[rank].resize(sizes[rank]);
    absl::StatusOr<ConfigurationFields> fields =
        ConfigurationFields::Parse(bytes_of_rank[rank]);
    if (!fields.ok()) {
      return absl::DataLossError(
          absl::StrCat("rank ", rank, ": ", fields.status().message()));
    }
    fields_of_rank.push_back(*std::move(fields));
  }
  return ConfigurationFields::DescribeDifferences(fields_of_rank);
}

absl::StatusOr<std::string> DescribeUnpairedMessages(
    int rank, int num_ranks, GatherFunction gather,
    absl::Span<const SendMessage> sends,
    const MessagesByPeer& sends_by_destination,
    absl::Span<const ReceiveMessage> receives,
    const MessagesByPeer& receives_by_source) {
  std::vector<uint64_t> words;
  for (int peer = 0; peer < num_ranks; ++peer) {
    PairTotals sent;
    for (const uint32_t position : sends_by_destination.WithPeer(peer)) {
      sent.Count(rank, peer, sends[position].buffer.num_bytes);
    }
    Append(sent, words);
  }
  for (int peer = 0; peer < num_ranks; ++peer) {
    PairTotals received;
    for (const uint32_t position : receives_by_source.WithPeer(peer)) {
      received.Count(peer, rank, receives[position].buffer.num_bytes);
    }
    Append(received, words);
  }
  EPLB_ASSIGN_OR_RETURN(const std::vector<uint64_t> gathered,
                        GatherWords(num_ranks, gather, words));
  return DescribePairs(gathered, num_ranks);
}

}  // namespace eplb
