#pragma once

#include <gmock/gmock.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>

#include "rbd/data/image_client.h"

namespace berth {

// What every ImageClient must keep, as far as the writer claim stands on it; called by the test of
// each implementation. `connect` makes another client of the same cluster, in which `image` exists
// and nobody has it open.
inline void CheckImageClientContract(const std::function<std::unique_ptr<ImageClient>()>& connect,
                                     const std::string& image) {
  using ::testing::ElementsAre;
  using ::testing::HasSubstr;
  using ::testing::IsEmpty;
  const auto first = connect();
  const auto second = connect();
  ASSERT_NE(first->address(), second->address());
  EXPECT_TRUE(absl::IsNotFound(first->OpenImage("absent", "", Image::Mode::kReadWrite)));

  ASSERT_TRUE(first->OpenImage(image, "", Image::Mode::kReadWrite).ok());
  ASSERT_TRUE(second->OpenImage(image, "", Image::Mode::kReadWrite).ok());
  EXPECT_TRUE(*first->HasExclusiveLock());
  EXPECT_THAT(*first->LockOwners(), IsEmpty());
  ASSERT_TRUE(first->AcquireLock().ok());
  EXPECT_THAT(*second->LockOwners(), ElementsAre(first->address()));
  const Status refused = second->AcquireLock();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(first->address()));

  // Given back, it is free.
  ASSERT_TRUE(first->Flush().ok());
  ASSERT_TRUE(first->ReleaseLock().ok());
  EXPECT_THAT(*second->LockOwners(), IsEmpty());
  ASSERT_TRUE(first->AcquireLock().ok());

  // A fenced client changes no record any more, and its lock can be taken.
  VolumeRecord record;
  record.image = "record";
  ASSERT_TRUE(first->registry().Insert(record).ok());
  ASSERT_TRUE(second->fencer().Fence(first->address(), kDeadClientFence).ok());
  ASSERT_TRUE(second->WaitForLatestMap().ok());
  EXPECT_TRUE(second->registry().Get("record").ok()) << "which tells the OSD of the fence";
  EXPECT_EQ(ErrnoOf(first->registry().Remove(record)), ESHUTDOWN);
  ASSERT_TRUE(second->BreakLock(first->address()).ok());
  EXPECT_TRUE(second->BreakLock(first->address()).ok()) << "nothing is left to break";
  ASSERT_TRUE(second->AcquireLock().ok());
  EXPECT_THAT(*second->LockOwners(), ElementsAre(second->address()));

  ASSERT_TRUE(second->registry().Remove(record).ok());
  ASSERT_TRUE(second->ReleaseLock().ok());
  EXPECT_TRUE(second->CloseImage().ok());
}

}  // namespace berth
