#include "base/keyed_guard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "absl/time/clock.h"

namespace berth {
namespace {

absl::Time Soon() { return absl::Now() + absl::Milliseconds(30); }
absl::Time Later() { return absl::Now() + absl::Seconds(30); }

TEST(KeyedGuard, OneHolderPerKey) {
  KeyedGuard guard;
  StatusOr<KeyedGuard::Hold> held = guard.Acquire("a", Soon());
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(guard.Acquire("a", Soon()).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(guard.Acquire("b", Soon()).ok());
  held = absl::UnavailableError("let go");
  EXPECT_TRUE(guard.Acquire("a", Soon()).ok());
}

TEST(KeyedGuard, AMovedHoldIsHeldUntilTheLastOwnerGoes) {
  KeyedGuard guard;
  auto first = std::make_unique<KeyedGuard::Hold>(*guard.Acquire("a", Soon()));
  auto second = std::make_unique<KeyedGuard::Hold>(std::move(*first));
  first.reset();
  EXPECT_FALSE(guard.Acquire("a", Soon()).ok());
  second.reset();
  EXPECT_TRUE(guard.Acquire("a", Soon()).ok());
}

TEST(KeyedGuard, WhoGaveUpDoesNotBlockTheQueue) {
  KeyedGuard guard;
  StatusOr<KeyedGuard::Hold> held = guard.Acquire("a", Soon());
  EXPECT_FALSE(guard.Acquire("a", Soon()).ok());
  EXPECT_FALSE(guard.Acquire("a", Soon()).ok());
  std::future<Status> waiting =
      std::async(std::launch::async, [&] { return guard.Acquire("a", Later()).status(); });
  held = absl::UnavailableError("let go");
  EXPECT_TRUE(waiting.get().ok());
}

TEST(KeyedGuard, TheQueueHasALimit) {
  KeyedGuard guard(/*max_waiting_per_key=*/1);
  StatusOr<KeyedGuard::Hold> held = guard.Acquire("a", Soon());
  for (int i = 0; i < 3; ++i) {
    EXPECT_NE(std::string(guard.Acquire("a", Soon()).status().message()).find("earlier call"),
              std::string::npos)
        << "who gave up does not count as waiting";
  }
  // Of two that wait, one gets the place and the other is refused at once.
  std::future<Status> one =
      std::async(std::launch::async, [&] { return guard.Acquire("a", Later()).status(); });
  std::future<Status> two =
      std::async(std::launch::async, [&] { return guard.Acquire("a", Later()).status(); });
  std::future<Status>* refused = nullptr;
  while (refused == nullptr) {
    for (std::future<Status>* call : {&one, &two}) {
      if (call->wait_for(std::chrono::milliseconds(5)) == std::future_status::ready) refused = call;
    }
  }
  EXPECT_NE(std::string(refused->get().message()).find("1 other calls"), std::string::npos);
  held = absl::UnavailableError("let go");
  EXPECT_TRUE((refused == &one ? two : one).get().ok());
}

TEST(KeyedGuard, NeverTwoInsideUnderLoad) {
  KeyedGuard guard(/*max_waiting_per_key=*/64);
  std::atomic<int> inside = 0;
  std::atomic<int> entered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const auto hold = guard.Acquire("a", Later());
        ASSERT_TRUE(hold.ok());
        EXPECT_EQ(inside.fetch_add(1), 0);
        ++entered;
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(entered, 8 * 200);
}

}  // namespace
}  // namespace berth
