// Conformance: calls that do not fit together, or that are wrong by
// themselves, fail on every rank, with nothing received and nobody waiting.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "collectives/communicator.h"
#include "collectives/communicator_conformance.h"
#include "collectives/conformance_memory.h"
#include "eplb/core/memory_space.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/at_once.h"
#include "testing/status_matchers.h"

namespace eplb {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

struct Mismatch {
  std::string name;
  // What rank 2 does, and what the others do.
  std::function<absl::Status(Communicator&, bool is_odd, SteadyTime)> run;
  // Each in the message of every rank.
  std::vector<std::string> values;
};

std::vector<Mismatch> Mismatches(const ConformanceMemory& memory) {
  const auto bytes = std::make_shared<ConformanceBytes>(memory, 1000);
  const auto send = [=](int peer, size_t count) {
    return SendMessage{peer, bytes->source(0, count)};
  };
  return {
      {"values of AllReduceSum",
       [](Communicator& c, bool is_odd, SteadyTime deadline) {
         std::vector<int64_t> values(is_odd ? 7 : 8);
         return c.AllReduceSum(absl::MakeSpan(values), deadline);
       },
       {"56", "64"}},
      {"bytes of AllGather",
       [&memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const size_t count = is_odd ? 6000 : 16;
         const ConformanceBytes mine(memory, count);
         const ConformanceBytes all(memory, count * c.size());
         return c.AllGather(mine.source(), all.buffer(), deadline);
       },
       {"6000", "16"}},
      {"bytes of Broadcast",
       [&memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const ConformanceBytes data(memory, is_odd ? 17 : 18);
         return c.Broadcast(data.buffer(), 0, deadline);
       },
       {"17", "18"}},
      {"root of Broadcast",
       [&memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const ConformanceBytes data(memory, 32);
         return c.Broadcast(data.buffer(), is_odd ? 1 : 0, deadline);
       },
       {"1", "0"}},
      {"name of Clone",
       [](Communicator& c, bool is_odd, SteadyTime deadline) {
         return c.Clone(is_odd ? "control" : "data", deadline).status();
       },
       {}},
      {"a send that nobody receives",
       [send](Communicator& c, bool is_odd, SteadyTime deadline) {
         return is_odd ? c.Exchange({send(1, 100)}, {}, deadline)
                       : c.Exchange({}, {}, deadline);
       },
       {"rank 2 ", "rank 1"}},
      {"a receive that nobody sends",
       [&memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const ConformanceBytes received(memory, 100);
         const ReceiveMessage message{0, received.buffer()};
         return is_odd ? c.Exchange({}, {message}, deadline)
                       : c.Exchange({}, {}, deadline);
       },
       {"rank 2", "rank 0 "}},
      {"bytes of a message",
       [send, &memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const ConformanceBytes received(memory, 1000);
         const int next = (c.rank() + 1) % c.size();
         const int previous = (c.rank() + c.size() - 1) % c.size();
         const ReceiveMessage message{previous,
                                      received.buffer(0, is_odd ? 999 : 1000)};
         return c.Exchange({send(next, 1000)}, {message}, deadline);
       },
       {"rank 1 ", "rank 2"}},
      {"the order of two messages",
       [send, &memory](Communicator& c, bool is_odd, SteadyTime deadline) {
         const ConformanceBytes received(memory, 30);
         if (is_odd) {
           return c.Exchange({send(0, 10), send(0, 20)}, {}, deadline);
         }
         if (c.rank() != 0) return c.Exchange({}, {}, deadline);
         const ReceiveMessage first{2, received.buffer(0, 20)};
         const ReceiveMessage second{2, received.buffer(20, 10)};
         return c.Exchange({}, {first, second}, deadline);
       },
       {"rank 2 ", "rank 0"}},
  };
}

TEST_P(CommunicatorConformanceTest, CallsThatDifferInAValueFailOnAllRanks) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kComparesCalls)) return;
  ForEachAtOnce(Mismatches(memory()), [&](const Mismatch& mismatch) {
    SCOPED_TRACE(mismatch.name);
    const std::vector<absl::Status> results =
        RunRanks(3, [&](Communicator& communicator) {
          return mismatch.run(communicator, communicator.rank() == 2, Far());
        });
    EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("rank"))));
    for (const std::string& value : mismatch.values) {
      EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr(value))));
    }
  });
}

TEST_P(CommunicatorConformanceTest, DifferentOperationsFailOnAllRanks) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kComparesCalls)) return;
  const std::vector<ConformanceCall> calls = AllCalls();
  for (const ConformanceCall& odd : calls) {
    ForEachAtOnce(calls, [&](const ConformanceCall& even) {
      if (&odd == &even) return;
      SCOPED_TRACE(odd.name + " on rank 1, " + even.name + " elsewhere");
      const std::vector<absl::Status> results =
          RunRanks(3, [&](Communicator& communicator) {
            return (communicator.rank() == 1 ? odd : even)
                .run(communicator, Far());
          });
      EXPECT_THAT(
          results,
          Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                        AllOf(HasSubstr("rank 1"), HasSubstr("ranks 0, 2")))));
    });
  }
}

struct WrongCall {
  std::string name;
  std::function<absl::Status(Communicator&, SteadyTime)> run;
};

std::vector<WrongCall> WrongCalls(const ConformanceMemory& memory) {
  const auto bytes = std::make_shared<ConformanceBytes>(memory, 64);
  const MemorySpace space = memory.space;
  return {
      {"root below 0",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Broadcast(bytes->buffer(0, 8), -1, deadline);
       }},
      {"root past the last rank",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Broadcast(bytes->buffer(0, 8), c.size(), deadline);
       }},
      {"room for all too small",
       [=](Communicator& c, SteadyTime deadline) {
         return c.AllGather(bytes->source(0, 8),
                            bytes->buffer(8, 8u * c.size() - 1), deadline);
       }},
      {"mine elsewhere in all",
       [&memory](Communicator& c, SteadyTime deadline) {
         const ConformanceBytes all(memory, 8 * c.size() + 8);
         return c.AllGather(all.source(4, 8), all.buffer(0, 8u * c.size()),
                            deadline);
       }},
      {"no address to gather from",
       [=](Communicator& c, SteadyTime deadline) {
         return c.AllGather({nullptr, 8, space},
                            bytes->buffer(0, 8u * c.size()), deadline);
       }},
      {"no address to broadcast",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Broadcast({nullptr, 8, space}, 0, deadline);
       }},
      {"destination past the last rank",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Exchange({SendMessage{c.size(), bytes->source(0, 8)}}, {},
                           deadline);
       }},
      {"source below 0",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Exchange({}, {ReceiveMessage{-1, bytes->buffer(0, 8)}},
                           deadline);
       }},
      {"no address to send from",
       [=](Communicator& c, SteadyTime deadline) {
         return c.Exchange({SendMessage{0, {nullptr, 8, space}}}, {}, deadline);
       }},
  };
}

TEST_P(CommunicatorConformanceTest, RefusesWrongArguments) {
  ForEachAtOnce(WrongCalls(memory()), [&](const WrongCall& call) {
    SCOPED_TRACE(call.name);
    const std::vector<absl::Status> results =
        RunRanks(1, [&](Communicator& communicator) {
          return call.run(communicator, Far());
        });
    EXPECT_THAT(results, Each(StatusIs(absl::StatusCode::kInvalidArgument)));
  });
}

TEST_P(CommunicatorConformanceTest, AWrongArgumentOfOneRankReachesAll) {
  if (!CanKeep(ConformanceRule::kSeveralRanks)) return;
  if (!CanKeep(ConformanceRule::kTellsOthers)) return;
  ForEachAtOnce(WrongCalls(memory()), [&](const WrongCall& call) {
    SCOPED_TRACE(call.name);
    const std::vector<absl::Status> results =
        RunRanks(3, [&](Communicator& communicator) {
          return communicator.rank() == 1 ? call.run(communicator, Far())
                                          : communicator.Barrier(Far());
        });
    EXPECT_THAT(results[1], StatusIs(absl::StatusCode::kInvalidArgument));
    for (const int other : {0, 2}) {
      EXPECT_THAT(results[other], StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("rank 1")));
    }
  });
}

TEST_P(CommunicatorConformanceTest, MemoryThatIsNotServedIsUnimplemented) {
  const ConformanceBytes bytes(memory(), 16);
  const ConstBuffer served = bytes.source(0, 8);
  const Buffer also_served = bytes.buffer(8, 8);
  static char elsewhere[8];
  const Buffer refused{elsewhere, 8, GetParam().refused};
  const ConstBuffer const_refused{elsewhere, 8, GetParam().refused};
  const std::vector<std::function<absl::Status(Communicator&)>> calls = {
      [&](Communicator& c) {
        return c.AllGather(const_refused, refused, Far());
      },
      [&](Communicator& c) { return c.AllGather(served, refused, Far()); },
      [&](Communicator& c) { return c.Broadcast(refused, 0, Far()); },
      [&](Communicator& c) {
        return c.Exchange({SendMessage{0, const_refused}},
                          {ReceiveMessage{0, also_served}}, Far());
      },
      [&](Communicator& c) {
        return c.Exchange({SendMessage{0, served}},
                          {ReceiveMessage{0, refused}}, Far());
      },
  };
  for (const auto& call : calls) {
    EXPECT_THAT(RunRanks(1, call),
                Each(StatusIs(
                    absl::StatusCode::kUnimplemented,
                    HasSubstr(std::string(MemorySpaceName(GetParam().refused)) +
                              " memory"))));
  }
}

}  // namespace
}  // namespace eplb
