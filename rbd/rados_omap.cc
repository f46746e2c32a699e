#include "rbd/rados_omap.h"

#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <utility>

#include "rbd/rados_operations.h"

namespace berth {
namespace {

class RadosOmapStore final : public OmapStore {
 public:
  RadosOmapStore(std::shared_ptr<RadosClient> client, IoContext io)
      : client_(std::move(client)), io_(std::move(io)) {}

  StatusOr<std::optional<std::string>> Get(const std::string& object,
                                           const std::string& key) override;
  Status Update(const std::string& object, const std::vector<Change>& changes) override;
  StatusOr<std::vector<Entry>> List(const std::string& object, const std::string& prefix,
                                    const std::string& after, size_t limit) override;

 private:
  Status Error(int error, std::string_view what, const std::string& object) const {
    return ErrnoError(error, fmt::format("{} registry object {} of cluster \"{}\"", what, object,
                                         client_->cluster()));
  }

  const std::shared_ptr<RadosClient> client_;
  const IoContext io_;
};

StatusOr<std::optional<std::string>> RadosOmapStore::Get(const std::string& object,
                                                         const std::string& key) {
  ReadOperation read;
  const char* name = key.data();
  const size_t name_size = key.size();
  int result = 0;
  rados_read_op_omap_get_vals_by_keys2(read.get(), &name, 1, &name_size, read.iterator(), &result);
  int error = rados_read_op_operate(read.get(), io_.get(), object.c_str(), 0);
  if (error == 0) error = result;
  if (error == -ENOENT) return std::nullopt;
  if (error != 0) return Error(error, "read", object);
  char* found_key = nullptr;
  char* found_value = nullptr;
  size_t key_size = 0;
  size_t value_size = 0;
  error = rados_omap_get_next2(*read.iterator(), &found_key, &found_value, &key_size, &value_size);
  if (error != 0) return Error(error, "read", object);
  if (found_key == nullptr) return std::nullopt;
  return std::string(found_value, value_size);
}

Status RadosOmapStore::Update(const std::string& object, const std::vector<Change>& changes) {
  const WriteOperation write;
  // A comparison on an object that does not exist answers ENOENT, so it is made first.
  rados_write_op_create(write.get(), LIBRADOS_CREATE_IDEMPOTENT, nullptr);
  for (const Change& change : changes) {
    const std::string expected = change.expected.value_or("");
    rados_write_op_omap_cmp2(write.get(), change.key.data(), LIBRADOS_CMPXATTR_OP_EQ,
                             expected.data(), change.key.size(), expected.size(), nullptr);
  }
  for (const Change& change : changes) {
    const char* key = change.key.data();
    const size_t key_size = change.key.size();
    if (change.desired) {
      const char* value = change.desired->data();
      const size_t value_size = change.desired->size();
      rados_write_op_omap_set2(write.get(), &key, &value, &key_size, &value_size, 1);
    } else {
      rados_write_op_omap_rm_keys2(write.get(), &key, &key_size, 1);
    }
  }
  const int error = rados_write_op_operate2(write.get(), io_.get(), object.c_str(), nullptr, 0);
  return error == 0 ? absl::OkStatus() : Error(error, "update", object);
}

StatusOr<std::vector<OmapStore::Entry>> RadosOmapStore::List(const std::string& object,
                                                             const std::string& prefix,
                                                             const std::string& after,
                                                             size_t limit) {
  ReadOperation read;
  unsigned char more = 0;
  int result = 0;
  rados_read_op_omap_get_vals2(read.get(), after.c_str(), prefix.c_str(), limit, read.iterator(),
                               &more, &result);
  int error = rados_read_op_operate(read.get(), io_.get(), object.c_str(), 0);
  if (error == 0) error = result;
  std::vector<Entry> entries;
  if (error == -ENOENT) return entries;
  if (error != 0) return Error(error, "list", object);
  for (;;) {
    char* key = nullptr;
    char* value = nullptr;
    size_t key_size = 0;
    size_t value_size = 0;
    error = rados_omap_get_next2(*read.iterator(), &key, &value, &key_size, &value_size);
    if (error != 0) return Error(error, "list", object);
    if (key == nullptr) return entries;
    entries.push_back({std::string(key, key_size), std::string(value, value_size)});
  }
}

}  // namespace

std::unique_ptr<OmapStore> MakeRadosOmapStore(std::shared_ptr<RadosClient> client, IoContext io) {
  return std::make_unique<RadosOmapStore>(std::move(client), std::move(io));
}

}  // namespace berth
