// What ThreadSanitizer cannot see of the distribution's Abseil.
//
// The library is compiled without the sanitizer: it does not see that an
// absl::Mutex orders the threads that lock it, and reports all that the mutex
// guards as a race. These definitions come before the library's, tell the
// sanitizer, and do the work by calling the library's own. In a Status the
// same holds for the count of its references.
//
// Waits for a Condition (Mutex::Await, LockWhen) are not covered: wait with a
// CondVar.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdint>

#include "absl/base/config.h"
#include "absl/base/dynamic_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

// The mangled names below are those of Debian 12. An Abseil built from source
// has the sanitizer in it.
#if ABSL_LTS_RELEASE_VERSION == 20220623

namespace absl {
ABSL_NAMESPACE_BEGIN
namespace {

// The library's definition of a function; a member function takes its object
// first.
template <typename Result, typename... Args>
class Original {
 public:
  explicit Original(const char* symbol)
      : function_(
            reinterpret_cast<Result (*)(Args...)>(dlsym(RTLD_NEXT, symbol))) {}

  Result operator()(Args... args) const {
    const InsideTheLibrary inside;
    return function_(args...);
  }

 private:
  // What a mutex does for itself, such as looking for deadlocks, is ordered
  // in ways that the sanitizer does not see either.
  struct InsideTheLibrary {
    InsideTheLibrary() { ABSL_ANNOTATE_IGNORE_READS_AND_WRITES_BEGIN(); }
    ~InsideTheLibrary() { ABSL_ANNOTATE_IGNORE_READS_AND_WRITES_END(); }
  };

  Result (*function_)(Args...);
};

// The graph in which every Mutex, up to its destructor, is looked after for
// deadlocks has a lock that the sanitizer does not see. It goes without: the
// sanitizer finds deadlocks by itself.
[[maybe_unused]] const bool kHasNoDeadlockGraph = [] {
  SetMutexDeadlockDetectionMode(OnDeadlockCycle::kIgnore);
  return true;
}();

}  // namespace

void Mutex::Lock() {
  static const Original<void, Mutex*> original("_ZN4absl7debian35Mutex4LockEv");
  original(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const Original<bool, Mutex*> original(
      "_ZN4absl7debian35Mutex7TryLockEv");
  const bool is_locked = original(this);
  if (is_locked) __tsan_acquire(this);
  return is_locked;
}

void Mutex::Unlock() {
  static const Original<void, Mutex*> original(
      "_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  original(this);
}

void Mutex::ReaderLock() {
  static const Original<void, Mutex*> original(
      "_ZN4absl7debian35Mutex10ReaderLockEv");
  original(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const Original<void, Mutex*> original(
      "_ZN4absl7debian35Mutex12ReaderUnlockEv");
  __tsan_release(this);
  original(this);
}

void CondVar::Wait(Mutex* mutex) {
  static const Original<void, CondVar*, Mutex*> original(
      "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  original(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const Original<bool, CondVar*, Mutex*, Duration> original(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = original(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const Original<bool, CondVar*, Mutex*, Time> original(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = original(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

void Status::UnrefNonInlined(uintptr_t rep) {
  static const Original<void, uintptr_t> original(
      "_ZN4absl7debian36Status15UnrefNonInlinedEm");
  void* const count = reinterpret_cast<void*>(rep);
  __tsan_release(count);
  __tsan_acquire(count);
  original(rep);
}

ABSL_NAMESPACE_END
}  // namespace absl

#endif  // ABSL_LTS_RELEASE_VERSION == 20220623
