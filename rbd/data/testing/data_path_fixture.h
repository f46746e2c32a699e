#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "rbd/attacher.h"
#include "rbd/data/client.h"
#include "rbd/data/descriptor_keeper.h"
#include "rbd/publishing.h"
#include "rbd/testing/ceph_fixture.h"
#include "rbd/volumes.h"

namespace berth {

// For tests of the whole data path: a real berth-data, real FUSE and loop devices, the lab's Ceph.
// At the end of a test, also of one that failed, nothing of it is left on the machine; that this is
// so without force is an assertion of every test.
class DataPathTest : public CephTest {
 protected:
  static constexpr char kNode[] = "node-1";
  static constexpr char kImage[] = "v";
  static constexpr uint64_t kSizeBytes = 64 << 20;

  // `arguments` of berth-data beside the necessary ones.
  explicit DataPathTest(std::vector<std::string> arguments = {});
  ~DataPathTest() override;

  DataPathClient& attacher() { return *client_; }
  const std::string& socket_path() const { return socket_path_; }
  const std::string& directory() const { return directory_; }  // removed at the end

  static absl::Time Soon();  // a deadline that only a fault reaches
  AttachRequest Request(uint64_t epoch) const;
  // Publishes the volume to this node and attaches it.
  Attachment PublishAndAttach();
  // Another volume beside it, which is detached at the end.
  Attachment AttachAnother(const std::string& image);
  uint64_t Publish(const std::string& node = kNode);
  Status Unpublish(const std::string& node = kNode);
  WriterClaim Claim();
  // What List says of the volume; nullopt when it is not listed.
  std::optional<Attachment> Listed();
  // Waits until List says that the attachment is unhealthy.
  bool BecomesUnhealthy();

  // Waits until List says that I/O waits for Ceph, or that it does not.
  bool BecomesStalled(bool stalled);

  // The I/O processes of our berth-data.
  std::vector<pid_t> IoProcesses();
  // Kills the only I/O process and returns when it is dead.
  void KillIoProcess();
  // Starts another berth-data on the same socket and returns when it serves and the first one has
  // ended; the exit code of the first.
  StatusOr<int> Upgrade();
  // Kills berth-data and its I/O process at once.
  void KillServer();
  void KillServerAlone();
  // Starts berth-data again after KillServer, and returns when it serves.
  void RestartServer();
  void RestartServerWithoutWaiting();
  // What berth-node does for berth-data. It runs in this process from the beginning.
  void StopKeeper() { keeper_.reset(); }
  void StartKeeper();
  // True once berth-data has found the keeper and told it.
  bool BecomesKept();
  // Asks berth-data to end and waits for it; its exit code.
  StatusOr<int> EndServer(absl::Time deadline);

 private:
  void CreateVolume(const std::string& image);
  Attachment Attach(const AttachRequest& request);
  ChildProcess StartServer();
  void AwaitServer();

  const std::vector<std::string> arguments_;
  RealClock clock_;
  Nodes nodes_{connections(), clock_};
  Publishing publishing_{connections(), nodes_, clock_, std::chrono::hours(1)};
  std::string directory_;
  std::string socket_path_;
  std::unique_ptr<DescriptorKeeper> keeper_;
  std::optional<ChildProcess> server_;
  std::unique_ptr<DataPathClient> client_;
  std::vector<std::string> devices_;
  std::vector<VolumeHandle> others_;
};

// True when `device` is a loop device made of nothing, or of something that is not Berth's.
bool IsFree(const std::string& device);

}  // namespace berth
