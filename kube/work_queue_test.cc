#include "kube/work_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace berth::kube {
namespace {

class WorkQueueTest : public ::testing::Test {
 protected:
  // What is ready at this moment of the fake clock.
  std::optional<std::string> Take() { return queue_.Take(absl::InfinitePast()); }

  FakeClock clock_{absl::UnixEpoch()};
  WorkQueue queue_{
      clock_,
      {.base_delay = absl::Seconds(1), .max_delay = absl::Seconds(4), .jitter = 0, .max_keys = 3},
      1};
};

TEST_F(WorkQueueTest, KeysAreHandedOutOnceAndInOrder) {
  ASSERT_TRUE(queue_.Add("a").ok());
  ASSERT_TRUE(queue_.Add("b").ok());
  ASSERT_TRUE(queue_.Add("a").ok());
  EXPECT_EQ(Take(), "a");
  EXPECT_EQ(Take(), "b");
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(WorkQueueTest, AKeyAddedWhileInWorkComesBackAfterDone) {
  ASSERT_TRUE(queue_.Add("a").ok());
  ASSERT_EQ(Take(), "a");
  ASSERT_TRUE(queue_.Add("a").ok());
  EXPECT_EQ(Take(), std::nullopt);
  queue_.Done("a");
  EXPECT_EQ(Take(), "a");
  queue_.Done("a");
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(WorkQueueTest, ADelayThatEndsWhileTheKeyIsInWorkIsNotLost) {
  ASSERT_TRUE(queue_.AddAfter("a", absl::Seconds(1)).ok());
  ASSERT_TRUE(queue_.Add("a").ok());
  ASSERT_EQ(Take(), "a");
  ASSERT_TRUE(queue_.AddAfter("a", absl::Seconds(1)).ok());
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Take(), std::nullopt);
  queue_.Done("a");
  EXPECT_EQ(Take(), "a");
}

TEST_F(WorkQueueTest, RetriesBackOffPerKeyUntilForgotten) {
  for (const int seconds : {1, 2, 4, 4}) {
    ASSERT_TRUE(queue_.Retry("a").ok());
    clock_.Advance(absl::Seconds(seconds) - absl::Milliseconds(1));
    EXPECT_EQ(Take(), std::nullopt) << seconds;
    clock_.Advance(absl::Milliseconds(1));
    ASSERT_EQ(Take(), "a") << seconds;
    queue_.Done("a");
  }
  ASSERT_TRUE(queue_.Retry("b").ok());
  queue_.Forget("a");
  ASSERT_TRUE(queue_.Retry("a").ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Take().has_value());
  EXPECT_TRUE(Take().has_value());
}

TEST_F(WorkQueueTest, TheServersOwnDelayIsKept) {
  ASSERT_TRUE(queue_.Retry("a", absl::Seconds(30)).ok());
  clock_.Advance(absl::Seconds(29));
  EXPECT_EQ(Take(), std::nullopt);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Take(), "a");
}

TEST_F(WorkQueueTest, TheEarliestTimeOfAKeyWins) {
  ASSERT_TRUE(queue_.AddAfter("a", absl::Seconds(10)).ok());
  ASSERT_TRUE(queue_.AddAfter("a", absl::Seconds(1)).ok());
  ASSERT_TRUE(queue_.AddAfter("a", absl::Seconds(20)).ok());
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Take(), "a");
  queue_.Done("a");
  clock_.Advance(absl::Seconds(60));
  EXPECT_EQ(Take(), std::nullopt);
}

TEST_F(WorkQueueTest, AFullQueueRefusesNewKeysButNotThoseItHas) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(queue_.Add(key).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(queue_.Add("d")));
  EXPECT_TRUE(queue_.Add("c").ok());
  EXPECT_EQ(queue_.size(), 3u);
}

TEST_F(WorkQueueTest, ShutDownWakesWhoeverWaits) {
  std::thread waiting([this] { EXPECT_EQ(queue_.Take(absl::InfiniteFuture()), std::nullopt); });
  queue_.ShutDown();
  waiting.join();
  EXPECT_TRUE(absl::IsCancelled(queue_.Add("a")));
  queue_.Reopen();
  EXPECT_TRUE(queue_.Add("a").ok());
  EXPECT_EQ(Take(), "a");
}

}  // namespace
}  // namespace berth::kube
