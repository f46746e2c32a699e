#include "csi/node/mount.h"

#include <libmount/libmount.h>
#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/str_join.h"

namespace berth {
namespace {

struct TableFree {
  void operator()(libmnt_table* table) const { mnt_unref_table(table); }
};
struct ContextFree {
  void operator()(libmnt_context* context) const { mnt_free_context(context); }
};
struct IterFree {
  void operator()(libmnt_iter* iter) const { mnt_free_iter(iter); }
};
using Table = std::unique_ptr<libmnt_table, TableFree>;
using Context = std::unique_ptr<libmnt_context, ContextFree>;
using Iter = std::unique_ptr<libmnt_iter, IterFree>;

StatusOr<Table> ReadMountInfo() {
  Table table(mnt_new_table_from_file("/proc/self/mountinfo"));
  if (table == nullptr) return ErrnoError(errno != 0 ? errno : EIO, "read /proc/self/mountinfo");
  return table;
}

std::string Text(const char* text) { return text == nullptr ? "" : text; }

Mount ToMount(libmnt_fs* fs) {
  return {
      .target = Text(mnt_fs_get_target(fs)),
      .source = Text(mnt_fs_get_source(fs)),
      .fs_type = Text(mnt_fs_get_fstype(fs)),
      .root = Text(mnt_fs_get_root(fs)),
      .device = mnt_fs_get_devno(fs),
      .read_only = mnt_optstr_get_option(mnt_fs_get_vfs_options(fs), "ro", nullptr, nullptr) == 0};
}

// Mountinfo holds resolved paths. The last part is not looked at: a dead file system answers
// nothing.
std::optional<std::string> Resolve(const std::string& path) {
  const std::filesystem::path plain = std::filesystem::path(path).lexically_normal();
  const std::filesystem::path trimmed = plain.has_filename() ? plain : plain.parent_path();
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::canonical(trimmed.parent_path(), error);
  if (error) return std::nullopt;
  return (parent / trimmed.filename()).string();
}

StatusOr<Context> NewContext(const std::string& target) {
  Context context(mnt_new_context());
  if (context == nullptr) return absl::ResourceExhaustedError("out of memory for a mount");
  const std::optional<std::string> resolved = Resolve(target);
  if (!resolved) {
    return absl::NotFoundError(fmt::format("the directory that should hold {} is missing", target));
  }
  mnt_context_disable_helpers(context.get(), 1);
  mnt_context_disable_mtab(context.get(), 1);
  mnt_context_disable_canonicalize(context.get(), 1);
  if (mnt_context_set_target(context.get(), resolved->c_str()) != 0) {
    return absl::ResourceExhaustedError("out of memory for a mount");
  }
  return context;
}

// libmount answers -errno of its own work, or a positive number when the system call failed.
Status Outcome(libmnt_context* context, int result, const std::string& what) {
  if (result == 0) return absl::OkStatus();
  if (const int error = mnt_context_get_syscall_errno(context); error != 0) {
    return ErrnoError(error, what);
  }
  char text[256] = "";
  mnt_context_get_excode(context, result, text, sizeof text);
  return ErrnoError(result < 0 ? -result : EINVAL, fmt::format("{} ({})", what, text));
}

Status DoMount(const std::string& source, const std::string& target, const char* fs_type,
               const std::string& options) {
  BERTH_ASSIGN_OR_RETURN(const Context context, NewContext(target));
  mnt_context_set_source(context.get(), source.c_str());
  if (fs_type != nullptr) mnt_context_set_fstype(context.get(), fs_type);
  mnt_context_set_options(context.get(), options.c_str());
  return Outcome(context.get(), mnt_context_mount(context.get()),
                 fmt::format("mount {} at {} with \"{}\"", source, target, options));
}

Status DoUnmount(const std::string& path, bool lazy) {
  BERTH_ASSIGN_OR_RETURN(const Context context, NewContext(path));
  mnt_context_enable_lazy(context.get(), lazy ? 1 : 0);
  return Outcome(context.get(), mnt_context_umount(context.get()), fmt::format("unmount {}", path));
}

}  // namespace

StatusOr<std::optional<Mount>> FindMount(const std::string& path) {
  const std::optional<std::string> resolved = Resolve(path);
  if (!resolved) return std::nullopt;
  BERTH_ASSIGN_OR_RETURN(const Table table, ReadMountInfo());
  const Iter iter(mnt_new_iter(MNT_ITER_BACKWARD));  // what was mounted last is on top
  libmnt_fs* fs = nullptr;
  while (mnt_table_next_fs(table.get(), iter.get(), &fs) == 0) {
    if (Text(mnt_fs_get_target(fs)) == *resolved) return ToMount(fs);
  }
  return std::nullopt;
}

StatusOr<std::vector<Mount>> MountsOfDevice(dev_t device) {
  BERTH_ASSIGN_OR_RETURN(const Table table, ReadMountInfo());
  const Iter iter(mnt_new_iter(MNT_ITER_FORWARD));
  std::vector<Mount> mounts;
  libmnt_fs* fs = nullptr;
  while (mnt_table_next_fs(table.get(), iter.get(), &fs) == 0) {
    if (mnt_fs_get_devno(fs) == device) mounts.push_back(ToMount(fs));
  }
  return mounts;
}

Status MountFileSystem(const std::string& device, const std::string& target,
                       const std::string& fs_type, const std::vector<std::string>& options) {
  return DoMount(device, target, fs_type.c_str(), absl::StrJoin(options, ","));
}

Status BindMount(const std::string& source, const std::string& target, bool read_only) {
  return DoMount(source, target, nullptr, read_only ? "bind,ro" : "bind");
}

Status Unmount(const std::string& path) { return DoUnmount(path, false); }

Status LazilyUnmount(const std::string& path) { return DoUnmount(path, true); }

}  // namespace berth
