// How long ControllerUnpublishVolume takes when the old node has to be fenced, beside the two calls
// to Ceph that no fence can do without. Prints a line and a JSON object; run.sh starts it.
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/flags.h"
#include "rbd/connections.h"
#include "rbd/node_fencing.h"
#include "rbd/publishing.h"
#include "rbd/volume_claims.h"

namespace berth {
namespace {

constexpr std::chrono::seconds kTimeout{30};
constexpr char kNode[] = "bench-node";
constexpr int kVolumesOfNode = 20;
constexpr int kNodes = 3;

struct Options {
  std::string clusters;
  std::string setting;
  int count = 30;
  int quiet_ms = 0;
};

class FenceTimes {
 public:
  FenceTimes(const Options& options, Connections& connections, std::shared_ptr<Pool> pool)
      : options_(options), connections_(connections), pool_(std::move(pool)) {}

  Status Run() {
    std::vector<double> bare_ms;
    std::vector<double> unpublish_ms;
    std::vector<double> node_ms;
    for (int i = 0; i < options_.count; ++i) {
      BERTH_RETURN_IF_ERROR(Bare(bare_ms));
      BERTH_RETURN_IF_ERROR(Unpublish(unpublish_ms));
    }
    for (int i = 0; i < kNodes; ++i) BERTH_RETURN_IF_ERROR(FenceNode(node_ms));
    Print("blocklist add + newest map", bare_ms);
    Print("ControllerUnpublishVolume", unpublish_ms);
    Print(fmt::format("a node with {} volumes", kVolumesOfNode), node_ms);
    return absl::OkStatus();
  }

 private:
  Status Bare(std::vector<double>& times_ms) {
    const std::string address = fmt::format("192.0.2.1:0/{}", random_());
    return Time(times_ms,
                [&] { return pool_->client->FenceIfMissing(address, std::chrono::minutes(5)); });
  }

  // A volume that "n1" has open.
  struct Held {
    VolumeHandle volume;
    std::unique_ptr<RadosClient> holder;  // alive, so the fence must show
  };
  StatusOr<Held> MakeHeld() {
    const std::string image = fmt::format("bench-fence-{}-{}", getpid(), ++images_);
    BERTH_ASSIGN_OR_RETURN(const ClusterConfig cluster, connections_.clusters().Find("lab"));
    Held held = {.volume = {"lab", "rbd", "", image}, .holder = nullptr};
    BERTH_ASSIGN_OR_RETURN(held.holder,
                           RadosClient::Connect(cluster, RadosClient::Purpose::kControl, kTimeout));
    VolumeRecord record;
    record.image = image;
    record.state = VolumeState::kReady;
    BERTH_ASSIGN_OR_RETURN(const uint64_t epoch,
                           PublishVolume(record, kNode, AccessMode::kReadWriteOnce));
    BERTH_RETURN_IF_ERROR(
        BeginOpenClaim(ClaimOf(record, kNode), kNode, epoch, "boot", held.holder->address()));
    BERTH_RETURN_IF_ERROR(pool_->registry.Insert(record));
    return held;
  }
  Status CheckAndForget(const Held& held) {
    BERTH_RETURN_IF_ERROR(CheckFenced(*held.holder, held.volume.image));
    BERTH_ASSIGN_OR_RETURN(const VolumeRecord now, pool_->registry.Get(held.volume.image));
    BERTH_RETURN_IF_ERROR(pool_->registry.Remove(now));
    return pool_->fences.Remove(held.holder->address());
  }

  Status Unpublish(std::vector<double>& times_ms) {
    BERTH_ASSIGN_OR_RETURN(const Held held, MakeHeld());
    BERTH_RETURN_IF_ERROR(
        Time(times_ms, [&] { return publishing_.Unpublish(held.volume, kNode, std::nullopt); }));
    return CheckAndForget(held);
  }

  Status FenceNode(std::vector<double>& times_ms) {
    std::vector<Held> all;
    for (int i = 0; i < kVolumesOfNode; ++i) {
      BERTH_ASSIGN_OR_RETURN(Held held, MakeHeld());
      all.push_back(std::move(held));
    }
    NodeFencing fencing(connections_, nodes_, publishing_, clock_);
    BERTH_RETURN_IF_ERROR(Time(times_ms, [&] {
      return fencing.Fence(kNode, "benchmark", [](const VolumeHandle&, const Status&) {});
    }));
    for (const Held& held : all) BERTH_RETURN_IF_ERROR(CheckAndForget(held));
    return fencing.Unfence(kNode);
  }

  static Status CheckFenced(const RadosClient& holder, const std::string& image) {
    BERTH_ASSIGN_OR_RETURN(const IoContext io, holder.OpenPool("rbd", ""));
    const int error = rados_write_full(io.get(), image.c_str(), "x", 1);
    if (error == -ESHUTDOWN) return absl::OkStatus();
    return absl::InternalError(fmt::format("the fenced client's write answered {}", error));
  }

  Status Time(std::vector<double>& times_ms, const std::function<Status()>& call) const {
    absl::SleepFor(absl::Milliseconds(options_.quiet_ms));
    const absl::Time begin = absl::Now();
    BERTH_RETURN_IF_ERROR(call());
    times_ms.push_back(absl::ToDoubleMilliseconds(absl::Now() - begin));
    return absl::OkStatus();
  }

  void Print(const std::string& what, std::vector<double> times_ms) const {
    std::sort(times_ms.begin(), times_ms.end());
    const double p50 = times_ms[times_ms.size() / 2];
    fmt::print(stderr, "{:22} {:28} p50 {:7.1f} ms, longest {:7.1f} ms\n", options_.setting, what,
               p50, times_ms.back());
    fmt::print("{}\n", nlohmann::json{{"setting", options_.setting},
                                      {"what", what},
                                      {"p50_ms", p50},
                                      {"longest_ms", times_ms.back()},
                                      {"count", times_ms.size()}}
                           .dump());
  }

  const Options options_;
  Connections& connections_;
  const std::shared_ptr<Pool> pool_;
  RealClock clock_;
  Nodes nodes_{connections_, clock_};
  Publishing publishing_{connections_, nodes_, clock_, kFenceDuration};
  std::random_device random_;
  int images_ = 0;
};

Status Run(const Options& options) {
  Connections connections(ClusterDirectory(options.clusters), kTimeout);
  BERTH_ASSIGN_OR_RETURN(std::shared_ptr<Pool> pool,
                         connections.Open({"lab", "rbd", "", "x"}, std::nullopt));
  return FenceTimes(options, connections, std::move(pool)).Run();
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("fence-times", "Unpublishing with a fence beside bare librados.",
                     BERTH_VERSION);
  berth::Options options;
  flags.AddClusters(options.clusters);
  flags.app().add_option("--setting", options.setting, "named in the output");
  flags.app().add_option("--count", options.count, "fences")->capture_default_str();
  flags.app()
      .add_option("--quiet-ms", options.quiet_ms, "before each: no other change of the OSD map")
      ->capture_default_str();
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  if (const berth::Status status = berth::Run(options); !status.ok()) {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    return 1;
  }
  return 0;
}
