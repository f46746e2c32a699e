#pragma once

#include <string>

#include "base/status.h"

namespace berth {

// A temporary directory with a cluster description of its own, in which RBD's cache is switched off
// for all sides of the comparison. Removed when it goes.
class BenchDirectory {
 public:
  static StatusOr<BenchDirectory> Create();
  BenchDirectory(BenchDirectory&& other) noexcept;
  BenchDirectory& operator=(BenchDirectory&&) = delete;
  ~BenchDirectory();

  // Copies the description of the cluster `alias` from the directory `clusters`.
  Status CopyCluster(const std::string& clusters, const std::string& alias) const;

  std::string clusters() const { return path_ + "/clusters"; }
  std::string cluster(const std::string& alias) const { return clusters() + "/" + alias; }
  std::string keyring(const std::string& alias) const { return cluster(alias) + "/keyring"; }
  std::string socket() const { return path_ + "/data.sock"; }
  std::string fio_output() const { return path_ + "/fio.json"; }
  std::string rbd_fuse_log() const { return path_ + "/rbd-fuse.log"; }

 private:
  explicit BenchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty when moved from
};

}  // namespace berth
