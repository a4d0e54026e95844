#include "testing/at_once.h"

#include <barrier>
#include <mutex>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

TEST(ForEachAtOnceTest, RunsTheBodyOfEveryElementAtOnce) {
  const std::vector<int> elements = {1, 2, 3};
  std::barrier all_run(elements.size());
  std::mutex mutex;
  std::set<int> seen;
  ForEachAtOnce(elements, [&](int element) {
    all_run.arrive_and_wait();
    const std::lock_guard<std::mutex> lock(mutex);
    seen.insert(element);
  });
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3));
}

TEST(ForEachAtOnceTest, NoElementsAreDoneAtOnce) {
  ForEachAtOnce(std::vector<int>(), [](int) { FAIL(); });
}

}  // namespace
}  // namespace eplb
