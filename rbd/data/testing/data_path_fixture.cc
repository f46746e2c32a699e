#include "rbd/data/testing/data_path_fixture.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <linux/loop.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "absl/time/clock.h"
#include "rbd/data/keeper_client.h"

namespace berth {

DataPathTest::DataPathTest(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  std::string name = std::filesystem::temp_directory_path() / "berth-data-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  directory_ = name;
  socket_path_ = directory_ + "/data.sock";
  StartKeeper();
  server_ = StartServer();
  client_ = std::make_unique<DataPathClient>(socket_path_);
  AwaitServer();
  CreateVolume(kImage);
}

void DataPathTest::CreateVolume(const std::string& image) {
  Volumes volumes(connections(), clock_);
  CreateVolumeOptions options;
  options.request_name = image;
  options.cluster = kCluster;
  options.pool = kPool;
  options.rados_namespace = rados_namespace();
  options.size_bytes = kSizeBytes;
  const auto volume = volumes.Create(options);
  if (!volume.ok()) throw std::runtime_error(std::string(volume.status().message()));
}

ChildProcess DataPathTest::StartServer() {
  std::vector<std::string> argv = {BERTH_DATA_PROGRAM, "--data-socket", socket_path_, "--clusters",
                                   std::getenv("BERTH_CLUSTERS")};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  auto server = ChildProcess::Start(argv, {});
  if (!server.ok()) throw std::runtime_error(std::string(server.status().message()));
  return *std::move(server);
}

void DataPathTest::AwaitServer() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  const auto channel = grpc::CreateCustomChannel("unix:" + socket_path_,
                                                 grpc::InsecureChannelCredentials(), arguments);
  channel->WaitForConnected(absl::ToChronoTime(Soon()));
}

DataPathTest::~DataPathTest() {
  if (server_) {
    others_.push_back(Handle(kImage));
    for (const VolumeHandle& volume : others_) {
      const Status detached = attacher().Detach(volume, Soon());
      EXPECT_TRUE(detached.ok()) << detached;
    }
    EXPECT_EQ(IoProcesses(), std::vector<pid_t>());
    for (const std::string& device : devices_) EXPECT_TRUE(IsFree(device)) << device;
    const StatusOr<int> exit_code = EndServer(Soon());
    EXPECT_TRUE(exit_code.ok() && *exit_code == 0) << exit_code.status();
    if (!exit_code.ok()) {
      server_->Signal(SIGKILL).IgnoreError();
      server_->Wait(Soon()).IgnoreError();
    }
  }
  std::filesystem::remove_all(directory_);
}

StatusOr<int> DataPathTest::Upgrade() {
  ChildProcess first = std::move(*server_);
  server_ = StartServer();
  BERTH_ASSIGN_OR_RETURN(const int exit_code, first.Wait(Soon()));
  AwaitServer();
  return exit_code;
}

void DataPathTest::StartKeeper() {
  auto keeper = DescriptorKeeper::Start(socket_path_);
  if (!keeper.ok()) throw std::runtime_error(std::string(keeper.status().message()));
  keeper_ = *std::move(keeper);
}

bool DataPathTest::BecomesKept() {
  for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
    const auto kept = FetchKept(socket_path_, Soon());
    if (kept.ok() && kept->size() == 1) return true;
  }
  return false;
}

void DataPathTest::KillServer() {
  const std::vector<pid_t> pids = IoProcesses();
  KillServerAlone();
  for (const pid_t pid : pids) kill(pid, SIGKILL);
}

void DataPathTest::KillServerAlone() {
  server_->Signal(SIGKILL).IgnoreError();
  EXPECT_TRUE(server_->Wait(Soon()).ok());
}

void DataPathTest::RestartServer() {
  RestartServerWithoutWaiting();
  AwaitServer();
}

void DataPathTest::RestartServerWithoutWaiting() { server_ = StartServer(); }

StatusOr<int> DataPathTest::EndServer(absl::Time deadline) {
  server_->Signal(SIGTERM).IgnoreError();
  StatusOr<int> exit_code = server_->Wait(deadline);
  if (exit_code.ok()) server_.reset();
  return exit_code;
}

absl::Time DataPathTest::Soon() { return absl::Now() + absl::Seconds(30); }

AttachRequest DataPathTest::Request(uint64_t epoch) const {
  AttachRequest request;
  request.volume = Handle(kImage);
  request.node_id = kNode;
  request.boot_id = "boot-1";
  request.epoch = epoch;
  return request;
}

uint64_t DataPathTest::Publish(const std::string& node) {
  const StatusOr<uint64_t> epoch =
      publishing_.Publish(Handle(kImage), node, AccessMode::kReadWriteOnce, {});
  EXPECT_TRUE(epoch.ok()) << epoch.status();
  return epoch.value_or(0);
}

Status DataPathTest::Unpublish(const std::string& node) {
  return publishing_.Unpublish(Handle(kImage), node, {});
}

Attachment DataPathTest::PublishAndAttach() { return Attach(Request(Publish())); }

Attachment DataPathTest::AttachAnother(const std::string& image) {
  CreateVolume(image);
  AttachRequest request = Request(0);
  request.volume = Handle(image);
  const StatusOr<uint64_t> epoch =
      publishing_.Publish(request.volume, kNode, AccessMode::kReadWriteOnce, {});
  EXPECT_TRUE(epoch.ok()) << epoch.status();
  request.epoch = epoch.value_or(0);
  others_.push_back(request.volume);
  return Attach(request);
}

Attachment DataPathTest::Attach(const AttachRequest& request) {
  const StatusOr<Attachment> attachment = attacher().Attach(request, Soon());
  EXPECT_TRUE(attachment.ok()) << attachment.status();
  if (!attachment.ok()) return {};
  devices_.push_back(attachment->device);
  return *attachment;
}

WriterClaim DataPathTest::Claim() { return OpenPool()->registry.Get(kImage)->writer; }

std::optional<Attachment> DataPathTest::Listed() {
  const auto attachments = attacher().List(Soon());
  EXPECT_TRUE(attachments.ok()) << attachments.status();
  if (!attachments.ok()) return std::nullopt;
  for (const Attachment& attachment : *attachments) {
    if (attachment.volume == Handle(kImage)) return attachment;
  }
  return std::nullopt;
}

bool DataPathTest::BecomesUnhealthy() {
  for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
    const auto attachment = Listed();
    if (attachment && !attachment->healthy) return true;
  }
  return false;
}

bool DataPathTest::BecomesStalled(bool stalled) {
  for (const absl::Time deadline = Soon(); absl::Now() < deadline;) {
    const auto attachment = Listed();
    if (attachment && attachment->stalled.empty() != stalled) return true;
  }
  return false;
}

std::vector<pid_t> DataPathTest::IoProcesses() {
  std::vector<pid_t> pids;
  if (!server_) return pids;
  const std::filesystem::path tasks = fmt::format("/proc/{}/task", server_->pid());
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid; children >> pid;) pids.push_back(pid);
  }
  return pids;
}

void DataPathTest::KillIoProcess() {
  const std::vector<pid_t> pids = IoProcesses();
  ASSERT_EQ(pids.size(), 1U);
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pids[0], 0)));
  ASSERT_TRUE(pidfd.valid());
  ASSERT_EQ(syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0), 0);
  pollfd ended = {pidfd.get(), POLLIN, 0};
  ASSERT_EQ(poll(&ended, 1, 10'000), 1);
}

bool IsFree(const std::string& device) {
  const Fd fd(open(device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return true;
  loop_info64 info = {};
  if (ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0) return true;
  return std::string(reinterpret_cast<const char*>(info.lo_file_name)) != "berth";
}

}  // namespace berth
