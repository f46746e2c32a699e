#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "rbd/connections.h"
#include "rbd/rados.h"
#include "rbd/volume_handle.h"

namespace berth {

// For tests against the lab's real Ceph: $BERTH_CLUSTERS holds the cluster "lab" with the pool
// "rbd". Every test works in a RADOS namespace of its own, which is emptied and removed at its end,
// also when it failed.
class CephTest : public ::testing::Test {
 protected:
  CephTest();
  ~CephTest() override;

  static constexpr char kCluster[] = "lab";
  static constexpr char kPool[] = "rbd";
  const std::string& rados_namespace() const { return namespace_; }
  Connections& connections() { return connections_; }

  VolumeHandle Handle(const std::string& image) const {
    return {kCluster, kPool, namespace_, image};
  }
  // The pool and this test's namespace over the shared control connection.
  std::shared_ptr<Pool> OpenPool();
  // A client instance of its own, as an attached image has it.
  std::unique_ptr<RadosClient> NewClient(RadosClient::Purpose purpose);

 private:
  std::string namespace_;
  Connections connections_;
};

}  // namespace berth
