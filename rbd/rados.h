#pragma once

#include <rados/librados.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rbd/cluster_directory.h"
#include "rbd/fencer.h"

namespace berth {

// Owns one rados_ioctx_t: a pool and a RADOS namespace, seen by one client. Keep it no longer than
// the client it came from. Move-only; the underlying context may be used by several threads.
class IoContext {
 public:
  IoContext(IoContext&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
  IoContext& operator=(IoContext&& other) noexcept;
  ~IoContext();
  rados_ioctx_t get() const { return io_; }

 private:
  friend class RadosClient;
  explicit IoContext(rados_ioctx_t io) : io_(io) {}
  rados_ioctx_t io_ = nullptr;
};

// Owns one rados_t: one client instance to Ceph, with one address, which is the unit that a fence
// cuts off. Never fork after one was made (children would share its address): start processes by
// exec. Thread-safe. Closing (destructor) may wait for what is in flight.
class RadosClient final : public Fencer {
 public:
  enum class Purpose {
    // Short operations with an answer for somebody who waits: give up after `timeout`, so that an
    // unreachable monitor or a stopped OSD becomes an error (ETIMEDOUT).
    kControl,
    // The I/O of an attached image: an outage waits, it is no I/O error. Only connecting is
    // limited.
    kData,
  };

  // Connects to `cluster` as its user. FAILED_PRECONDITION (Ceph cannot parse ceph.conf),
  // PERMISSION_DENIED (wrong key or missing caps), DEADLINE_EXCEEDED (no monitor answers within
  // `timeout`), each naming cluster, user or file and what to check. Blocks up to `timeout`.
  static StatusOr<std::unique_ptr<RadosClient>> Connect(const ClusterConfig& cluster,
                                                        Purpose purpose,
                                                        std::chrono::seconds timeout);
  ~RadosClient() override;
  RadosClient(const RadosClient&) = delete;
  RadosClient& operator=(const RadosClient&) = delete;

  rados_t get() const { return rados_; }
  const std::string& cluster() const { return cluster_; }

  // This instance's address as the blocklist takes it, e.g. "10.1.2.3:0/3702680080".
  const std::string& address() const { return address_; }

  // NOT_FOUND naming the pool when it does not exist; a namespace is not checked (RADOS makes them
  // on use).
  StatusOr<IoContext> OpenPool(const std::string& pool, const std::string& rados_namespace) const;

  // The names of all pools.
  StatusOr<std::vector<std::string>> PoolNames() const;
  // Whether the pool of `io` was made for `application` (`ceph osd pool application enable`).
  bool HasApplication(const IoContext& io, const std::string& application) const;

  // Waits until this client has the newest OSD map there is: the next operation carries its epoch,
  // and no OSD serves it before that OSD knows every fence in the map. Blocks up to the client's
  // timeout.
  Status WaitForLatestMap() const;

  Status Fence(const std::string& address, std::chrono::seconds duration) const override;
  Status FenceIfMissing(const std::string& address, std::chrono::seconds duration) const override;
  Status Lift(const std::string& address) const override;

  StatusOr<std::map<std::string, int64_t>> Blocklist() const override;

  // The answer of the monitors to `command`, which is JSON; `what` is told in the error. Blocks up
  // to the client's timeout.
  StatusOr<std::string> AskMonitors(const std::string& command, const std::string& what) const;

 private:
  Status AddToBlocklist(const std::string& address, std::chrono::seconds duration) const;

  RadosClient(rados_t rados, std::string cluster) : rados_(rados), cluster_(std::move(cluster)) {}
  rados_t rados_;
  std::string cluster_;
  std::string address_;
};

}  // namespace berth
