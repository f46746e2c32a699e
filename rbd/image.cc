#include "rbd/image.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace berth {
namespace {

constexpr uint64_t kFeatures = RBD_FEATURE_LAYERING | RBD_FEATURE_DEEP_FLATTEN;
constexpr uint64_t kOneWriterFeatures =
    RBD_FEATURE_EXCLUSIVE_LOCK | RBD_FEATURE_OBJECT_MAP | RBD_FEATURE_FAST_DIFF;

class ImageOptions {
 public:
  ImageOptions() { rbd_image_options_create(&options_); }
  ~ImageOptions() { rbd_image_options_destroy(options_); }
  ImageOptions(const ImageOptions&) = delete;
  ImageOptions& operator=(const ImageOptions&) = delete;
  rbd_image_options_t get() const { return options_; }

 private:
  rbd_image_options_t options_ = nullptr;
};

}  // namespace

StatusOr<Image> Image::Open(const IoContext& io, const std::string& name, Mode mode) {
  rbd_image_t image = nullptr;
  const int error = mode == Mode::kReadOnly
                        ? rbd_open_read_only(io.get(), name.c_str(), &image, nullptr)
                        : rbd_open(io.get(), name.c_str(), &image, nullptr);
  if (error != 0) return ErrnoError(error, fmt::format("open image \"{}\"", name));
  return Image(image);
}

StatusOr<Image> Image::OpenById(const IoContext& io, const std::string& id, Mode mode) {
  rbd_image_t image = nullptr;
  const int error = mode == Mode::kReadOnly
                        ? rbd_open_by_id_read_only(io.get(), id.c_str(), &image, nullptr)
                        : rbd_open_by_id(io.get(), id.c_str(), &image, nullptr);
  if (error != 0) return ErrnoError(error, fmt::format("open image with id \"{}\"", id));
  return Image(image);
}

Image& Image::operator=(Image&& other) noexcept {
  std::swap(image_, other.image_);
  return *this;
}

Image::~Image() {
  if (image_ != nullptr) rbd_close(image_);
}

StatusOr<uint64_t> Image::SizeBytes() const {
  uint64_t size = 0;
  if (const int error = rbd_get_size(image_, &size); error != 0) {
    return ErrnoError(error, "read the image's size");
  }
  return size;
}

StatusOr<std::string> Image::Id() const {
  std::array<char, 128> id = {};
  if (const int error = rbd_get_id(image_, id.data(), id.size()); error != 0) {
    return ErrnoError(error, "read the image's id");
  }
  return std::string(id.data());
}

StatusOr<bool> Image::HasExclusiveLock() const {
  uint64_t features = 0;
  if (const int error = rbd_get_features(image_, &features); error != 0) {
    return ErrnoError(error, "read the image's features");
  }
  return (features & RBD_FEATURE_EXCLUSIVE_LOCK) != 0;
}

Status Image::AcquireLock() {
  const int error = rbd_lock_acquire(image_, RBD_LOCK_MODE_EXCLUSIVE);
  if (error == 0) return absl::OkStatus();
  if (error != -EROFS && error != -EBUSY) return ErrnoError(error, "take the image's lock");
  rbd_lock_mode_t mode;
  std::array<char*, 4> owners = {};
  size_t count = owners.size();
  std::string owner = "another client";
  if (rbd_lock_get_owners(image_, &mode, owners.data(), &count) == 0 && count > 0) {
    owner = owners[0];
    rbd_lock_get_owners_cleanup(owners.data(), count);
  }
  return absl::UnavailableError(fmt::format("the image's exclusive lock is held by {}", owner));
}

Status Image::ReleaseLock() {
  const int error = rbd_lock_release(image_);
  return error == 0 ? absl::OkStatus() : ErrnoError(error, "release the image's lock");
}

StatusOr<bool> Image::IsUnallocated() const {
  BERTH_ASSIGN_OR_RETURN(const uint64_t size, SizeBytes());
  bool found = false;
  const auto stop_at_first = [](uint64_t, size_t, int exists, void* result) -> int {
    if (exists == 0) return 0;
    *static_cast<bool*>(result) = true;
    return -ECANCELED;  // one extent is enough
  };
  const int error = rbd_diff_iterate2(image_, nullptr, 0, size, /*include_parent=*/1,
                                      /*whole_object=*/1, stop_at_first, &found);
  if (found) return false;
  if (error != 0) return ErrnoError(error, "look for allocated extents of the image");
  return true;
}

Status Image::Close() {
  const int error = rbd_close(std::exchange(image_, nullptr));
  return error == 0 ? absl::OkStatus() : ErrnoError(error, "close the image");
}

Status CreateImage(const IoContext& io, const std::string& name, uint64_t size_bytes,
                   Writers writers) {
  const ImageOptions options;
  rbd_image_options_set_uint64(
      options.get(), RBD_IMAGE_OPTION_FEATURES,
      writers == Writers::kMany ? kFeatures : kFeatures | kOneWriterFeatures);
  const int error = rbd_create4(io.get(), name.c_str(), size_bytes, options.get());
  return error == 0 ? absl::OkStatus()
                    : ErrnoError(error, fmt::format("create image \"{}\"", name));
}

StatusOr<std::string> ReadImageId(const IoContext& io, const std::string& name) {
  // The object rbd_id.<name> holds the id as Ceph encodes strings: a little-endian 32-bit length,
  // the bytes.
  std::array<char, 256> buffer;
  const int count =
      rados_read(io.get(), ("rbd_id." + name).c_str(), buffer.data(), buffer.size(), 0);
  if (count < 0) return ErrnoError(count, fmt::format("look up image \"{}\"", name));
  const auto* bytes = reinterpret_cast<const unsigned char*>(buffer.data());
  const auto total = static_cast<size_t>(count);
  const size_t length = total < 4 ? 0
                                  : bytes[0] | static_cast<size_t>(bytes[1]) << 8 |
                                        static_cast<size_t>(bytes[2]) << 16 |
                                        static_cast<size_t>(bytes[3]) << 24;
  if (length == 0 || length > total - 4) {
    return absl::NotFoundError(fmt::format("image \"{}\" is half made: it has no id yet", name));
  }
  return std::string(buffer.data() + 4, length);
}

Status RemoveHalfMadeImage(const IoContext& io, const std::string& name) {
  const int error = rbd_remove(io.get(), name.c_str());
  return error == 0 || error == -ENOENT
             ? absl::OkStatus()
             : ErrnoError(error, fmt::format("remove the half-made image \"{}\"", name));
}

Status MoveImageToTrash(const IoContext& io, const std::string& name) {
  const int error = rbd_trash_move(io.get(), name.c_str(), 0);
  if (error == -EBUSY) {
    return absl::FailedPreconditionError(
        fmt::format("image \"{}\" is in use by a Ceph client (see `rbd status`)", name));
  }
  // RBD's directory has the name, but no more for the image that was opened by it.
  if (error == -ESTALE) {
    return absl::NotFoundError(fmt::format("image \"{}\" was moved by somebody else", name));
  }
  return error == 0 ? absl::OkStatus()
                    : ErrnoError(error, fmt::format("move image \"{}\" to the trash", name));
}

StatusOr<bool> IsInTrash(const IoContext& io, const std::string& id) {
  rbd_trash_image_info_t info;
  const int error = rbd_trash_get(io.get(), id.c_str(), &info);
  if (error == -ENOENT) return false;
  if (error != 0) return ErrnoError(error, fmt::format("look up image id \"{}\" in the trash", id));
  rbd_trash_get_cleanup(&info);
  return true;
}

Status PurgeFromTrash(const IoContext& io, const std::string& id) {
  const int error = rbd_trash_remove(io.get(), id.c_str(), /*force=*/true);
  return error == 0 || error == -ENOENT
             ? absl::OkStatus()
             : ErrnoError(error, fmt::format("purge image id \"{}\" from the trash", id));
}

StatusOr<std::vector<std::string>> ListRbdNamespaces(const IoContext& io) {
  std::vector<char> buffer(1024);  // an empty one would be EINVAL
  size_t size = buffer.size();
  int error = 0;
  while ((error = rbd_namespace_list(io.get(), buffer.data(), &size)) == -ERANGE) {
    buffer.assign(size, '\0');
  }
  if (error < 0) return ErrnoError(error, "list the RBD namespaces of the pool");
  // Names one after the other, each ended by a zero byte.
  std::vector<std::string> names;
  for (size_t at = 0; at < size && buffer[at] != '\0'; at += names.back().size() + 1) {
    names.emplace_back(&buffer[at]);
  }
  return names;
}

}  // namespace berth
