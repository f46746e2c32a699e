#include "sanity-tests/bench/attach/bench_directory.h"

#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace berth {

StatusOr<BenchDirectory> BenchDirectory::Create() {
  std::string name = std::filesystem::temp_directory_path() / "berth-attach-bench-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) return ErrnoError(errno, "make " + name);
  return BenchDirectory(std::move(name));
}

BenchDirectory::BenchDirectory(BenchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

BenchDirectory::~BenchDirectory() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

Status BenchDirectory::CopyCluster(const std::string& clusters, const std::string& alias) const {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(cluster(alias), error);
  for (const char* file : {"ceph.conf", "keyring"}) {
    fs::copy_file(fs::path(clusters) / alias / file, fs::path(cluster(alias)) / file, error);
    if (error) return ErrnoError(error.value(), fmt::format("copy {} of {}", file, alias));
  }
  std::ofstream conf(cluster(alias) + "/ceph.conf", std::ios::app);
  conf << "\n[client]\nrbd cache = false\n";
  return absl::OkStatus();
}

}  // namespace berth
