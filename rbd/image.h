#pragma once

#include <rbd/librbd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rbd/rados.h"

namespace berth {

// Owns one open rbd_image_t. Move-only. Image calls may be made by several threads.
class Image {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // NOT_FOUND when there is no such image. Blocks; librbd calls cannot be cancelled.
  static StatusOr<Image> Open(const IoContext& io, const std::string& name, Mode mode);
  static StatusOr<Image> OpenById(const IoContext& io, const std::string& id, Mode mode);

  Image(Image&& other) noexcept : image_(std::exchange(other.image_, nullptr)) {}
  Image& operator=(Image&& other) noexcept;
  ~Image();

  rbd_image_t get() const { return image_; }
  StatusOr<uint64_t> SizeBytes() const;
  StatusOr<std::string> Id() const;

  // Whether it has the feature exclusive-lock, without which AcquireLock fails.
  StatusOr<bool> HasExclusiveLock() const;

  // Takes RBD's exclusive lock without automatic hand-over. UNAVAILABLE naming the owner when
  // another client holds it.
  Status AcquireLock();
  Status ReleaseLock();

  // True when no extent of the image was ever written: rbd_diff_iterate2 over whole objects from
  // the beginning finds none. The proof of blankness for an image that Berth did not make.
  StatusOr<bool> IsUnallocated() const;

  // Waits for what is in flight and closes. The destructor does the same and cannot say when it
  // fails.
  Status Close();

 private:
  explicit Image(rbd_image_t image) : image_(image) {}
  rbd_image_t image_ = nullptr;
};

// How many clients are to write to an image at once.
enum class Writers { kOne, kMany };

// Makes an image with the features that Berth needs: layering and deep-flatten; for one writer also
// exclusive-lock, object-map and fast-diff. Several would hand the lock to and fro, and the two
// others need it. ALREADY_EXISTS when there is one of that name.
Status CreateImage(const IoContext& io, const std::string& name, uint64_t size_bytes,
                   Writers writers = Writers::kOne);

// The id of image `name` without opening it. NOT_FOUND when there is none.
StatusOr<std::string> ReadImageId(const IoContext& io, const std::string& name);

// Removes what a CreateImage that was cut off left behind. OK when there is nothing.
Status RemoveHalfMadeImage(const IoContext& io, const std::string& name);

// Moves image `name` to RBD's trash. NOT_FOUND when there is none; FAILED_PRECONDITION while it is
// in use.
Status MoveImageToTrash(const IoContext& io, const std::string& name);

// Whether the image with this id lies in RBD's trash.
StatusOr<bool> IsInTrash(const IoContext& io, const std::string& id);

// Deletes the image with this id from RBD's trash; takes time in proportion to what was written. OK
// when it is gone already.
Status PurgeFromTrash(const IoContext& io, const std::string& id);

// The RADOS namespaces that were made for RBD in a pool (`rbd namespace ls`).
StatusOr<std::vector<std::string>> ListRbdNamespaces(const IoContext& io);

}  // namespace berth
