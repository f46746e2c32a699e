#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace berth {
namespace {

TEST(WorkerPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(4, 1000);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.Submit([&] { ++ran; }).ok());
  }
  EXPECT_EQ(ran, 500);
}

TEST(WorkerPool, RefusesWhatTheQueueCannotHold) {
  std::promise<void> started;
  std::promise<void> release;
  WorkerPool pool(1, 1);  // last: it ends before what its work uses
  ASSERT_TRUE(pool.Submit([&] {
                    started.set_value();
                    release.get_future().wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(pool.Submit([] {}).ok());
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kResourceExhausted);
  release.set_value();
}

TEST(WorkerPool, WorkRunsSideBySide) {
  std::promise<void> first;
  std::promise<void> second;
  WorkerPool pool(2, 10);
  // Each waits for the other: with one thread this would never end.
  ASSERT_TRUE(pool.Submit([&] {
                    first.set_value();
                    second.get_future().wait();
                  })
                  .ok());
  ASSERT_TRUE(pool.Submit([&] {
                    first.get_future().wait();
                    second.set_value();
                  })
                  .ok());
}

}  // namespace
}  // namespace berth
