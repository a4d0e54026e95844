// ForEachAtOnce: a body for each element, all of them at once, on threads of
// the test. For cases that know nothing of each other and mostly wait.
//
//   ForEachAtOnce(calls, [&](const Call& call) {
//     SCOPED_TRACE(call.name);
//     EXPECT_THAT(call.run(deadline), StatusIs(kDeadlineExceeded));
//   });

#ifndef EPLB_TESTING_AT_ONCE_H_
#define EPLB_TESTING_AT_ONCE_H_

#include <thread>
#include <vector>

namespace eplb {

// Returns when all have returned.
template <typename Container, typename Body>
void ForEachAtOnce(Container&& elements, const Body& body) {
  std::vector<std::thread> threads;
  for (auto& element : elements) {
    threads.emplace_back([&] { body(element); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace eplb

#endif  // EPLB_TESTING_AT_ONCE_H_
