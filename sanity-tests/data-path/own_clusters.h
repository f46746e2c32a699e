#pragma once

#include <string>

namespace berth {

// A directory of clusters for one test: the lab's cluster with a Ceph user of the test's own, whose
// key it may change. While it lives, $BERTH_CLUSTERS names it. Throws std::runtime_error.
class OwnClusters {
 public:
  OwnClusters();
  ~OwnClusters();
  OwnClusters(const OwnClusters&) = delete;
  OwnClusters& operator=(const OwnClusters&) = delete;

  // Gives the user another key, as an administrator does: from then on Ceph refuses the old one.
  // It is not written into the keyring.
  void RotateKey();
  // Writes the newest key into the keyring, or `key`, as kubelet updates a mounted Secret: in one
  // step.
  void WriteKeyring() { WriteKeyring(key_); }
  void WriteKeyring(const std::string& key);
  // Adds `address` as the first monitor to ceph.conf.
  void AddMonitor(const std::string& address);

 private:
  void WriteFile(const std::string& name, const std::string& text);

  const std::string before_;  // $BERTH_CLUSTERS
  std::string directory_;
  std::string user_;
  std::string key_;
};

}  // namespace berth
