#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "rbd/fencer.h"
#include "rbd/image.h"
#include "rbd/registry.h"

namespace berth {

// One client instance of Ceph and the one image that it opens: the little that opening an image
// under its node's claim stands on, so that the protocol can be explored without a cluster.
// RbdImageClient is the real one; rbd/testing/image_client_contract.h holds for every
// implementation. For one thread. Blocks while Ceph does not answer.
class ImageClient {
 public:
  virtual ~ImageClient() = default;

  // As the blocklist takes it.
  virtual const std::string& address() const = 0;
  virtual const Fencer& fencer() const = 0;
  // Of the image's pool and RADOS namespace, asked as this very instance: once it is fenced it
  // changes no record any more.
  virtual Registry& registry() = 0;

  // RadosClient::WaitForLatestMap.
  virtual Status WaitForLatestMap() = 0;

  // Opens the image with this id, or by its name where `id` is empty. NOT_FOUND when there is none.
  // The calls below are for after it.
  virtual Status OpenImage(const std::string& name, const std::string& id, Image::Mode mode) = 0;
  // Image::HasExclusiveLock. The four about the lock are for an image that has one.
  virtual StatusOr<bool> HasExclusiveLock() = 0;
  // Addresses of the instances that hold RBD's exclusive lock; none when it is free.
  virtual StatusOr<std::vector<std::string>> LockOwners() = 0;
  // Image::AcquireLock.
  virtual Status AcquireLock() = 0;
  // Takes the lock away from `owner`, which was fenced. OK when it has none.
  virtual Status BreakLock(const std::string& owner) = 0;
  // Waits until everything written is acknowledged.
  virtual Status Flush() = 0;
  virtual Status ReleaseLock() = 0;
  virtual Status CloseImage() = 0;
};

}  // namespace berth
