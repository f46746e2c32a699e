#include "rbd/image_directory.h"

#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <string_view>

#include "rbd/rados_operations.h"

namespace berth {
namespace {

constexpr size_t kFirstGuess = 256;

// Keys of a header object's omap (Ceph, src/cls/rbd/cls_rbd.cc).
constexpr std::string_view kSnapshotPrefix = "snapshot_";
constexpr std::string_view kChildrenPrefix = "snap_children_";
constexpr char kCommonPrefix[] = "snap";
constexpr size_t kMaxKeys = 1000;

}  // namespace

StatusOr<std::vector<ImageName>> ListImages(const IoContext& io) {
  std::vector<rbd_image_spec_t> buffer(kFirstGuess);
  size_t count = buffer.size();
  int error = 0;
  while ((error = rbd_list2(io.get(), buffer.data(), &count)) == -ERANGE) buffer.resize(count);
  if (error < 0) return ErrnoError(error, "list the images of the pool");
  std::vector<ImageName> images;
  for (size_t i = 0; i < count; ++i) images.push_back({buffer[i].name, buffer[i].id});
  rbd_image_spec_list_cleanup(buffer.data(), count);
  return images;
}

StatusOr<std::vector<ImageName>> ListTrashedImages(const IoContext& io) {
  std::vector<rbd_trash_image_info_t> buffer(kFirstGuess);
  size_t count = buffer.size();
  int error = 0;
  while ((error = rbd_trash_list(io.get(), buffer.data(), &count)) == -ERANGE) buffer.resize(count);
  if (error < 0) return ErrnoError(error, "list the trash of the pool");
  std::vector<ImageName> images;
  for (size_t i = 0; i < count; ++i) images.push_back({buffer[i].name, buffer[i].id});
  rbd_trash_list_cleanup(buffer.data(), count);
  return images;
}

StatusOr<ImageHeader> ReadImageHeader(const IoContext& io, const std::string& id) {
  ReadOperation read;
  unsigned char more = 0;
  int result = 0;
  rados_read_op_assert_exists(read.get());
  rados_read_op_omap_get_vals2(read.get(), "", kCommonPrefix, kMaxKeys, read.iterator(), &more,
                               &result);
  int error = rados_read_op_operate(read.get(), io.get(), ("rbd_header." + id).c_str(), 0);
  if (error == -ENOENT) return ImageHeader{};
  if (error == 0) error = result;
  ImageHeader header = {.exists = true};
  while (error == 0) {
    char* key = nullptr;
    char* value = nullptr;
    size_t key_size = 0;
    size_t value_size = 0;
    error = rados_omap_get_next2(*read.iterator(), &key, &value, &key_size, &value_size);
    if (key == nullptr) break;
    const std::string_view name(key, key_size);
    if (name.starts_with(kSnapshotPrefix)) ++header.snapshots;
    if (name.starts_with(kChildrenPrefix)) header.has_clones = true;
  }
  if (error != 0) return ErrnoError(error, fmt::format("read the header of image id \"{}\"", id));
  return header;
}

}  // namespace berth
