// Rates of CreateVolume and DeleteVolume over the CSI socket beside the bare librbd calls that they
// cannot do without, in interleaved rounds against the same cluster. Prints one JSON object;
// volume_rates.sh starts it.
#include <grpcpp/grpcpp.h>
#include <rbd/librbd.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "base/flags.h"
#include "base/grpc_status.h"
#include "csi.grpc.pb.h"
#include "rbd/connections.h"
#include "rbd/image.h"

namespace berth {
namespace {

constexpr uint64_t kVolumeBytes = uint64_t{1} << 30;
constexpr int kRounds = 3;

struct Options {
  std::string csi_endpoint;
  std::string clusters;
  int count = 200;
};

struct Result {
  double per_second;
  double p50_ms;
  double p99_ms;
};

// Calls `operation(i)` for i in [0, count) from `workers` threads. An error ends the program: a
// rate that contains failures is no rate.
Result Measure(int workers, int count, const std::function<Status(int)>& operation) {
  std::atomic<int> next = 0;
  std::vector<double> latencies_ms(static_cast<size_t>(count));
  const absl::Time begin = absl::Now();
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&] {
      for (int i = next++; i < count; i = next++) {
        const absl::Time start = absl::Now();
        const Status status = operation(i);
        if (!status.ok()) {
          std::fputs(fmt::format("{}\n", std::string(status.message())).c_str(), stderr);
          std::_Exit(1);
        }
        latencies_ms[static_cast<size_t>(i)] = absl::ToDoubleMilliseconds(absl::Now() - start);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::sort(latencies_ms.begin(), latencies_ms.end());
  return {count / seconds, latencies_ms[latencies_ms.size() / 2],
          latencies_ms[latencies_ms.size() * 99 / 100]};
}

class Csi {
 public:
  explicit Csi(const std::string& endpoint)
      : stub_(csi::v1::Controller::NewStub(
            grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials()))) {}

  Status Create(const std::string& name) {
    csi::v1::CreateVolumeRequest request;
    request.set_name(name);
    request.mutable_capacity_range()->set_required_bytes(kVolumeBytes);
    (*request.mutable_parameters())["pool"] = "rbd";
    auto& capability = *request.add_volume_capabilities();
    capability.mutable_mount()->set_fs_type("ext4");
    capability.mutable_access_mode()->set_mode(
        csi::v1::VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
    csi::v1::CreateVolumeResponse response;
    grpc::ClientContext context;
    return FromGrpc(stub_->CreateVolume(&context, request, &response));
  }
  Status Delete(const std::string& name) {
    csi::v1::DeleteVolumeRequest request;
    request.set_volume_id("lab/rbd/" + name);
    csi::v1::DeleteVolumeResponse response;
    grpc::ClientContext context;
    return FromGrpc(stub_->DeleteVolume(&context, request, &response));
  }

 private:
  std::unique_ptr<csi::v1::Controller::Stub> stub_;
};

// One round: bare create, CSI create, bare trash move, CSI delete; who goes first changes with the
// round.
class Rounds {
 public:
  Rounds(const Options& options, Pool& pool)
      : count_(options.count), csi_(options.csi_endpoint), pool_(pool) {}

  nlohmann::json Run() {
    nlohmann::json results = nlohmann::json::array();
    for (const int workers : {1, 16}) {
      for (int round = 0; round < kRounds; ++round) RunOne(workers, round, results);
    }
    return results;
  }

 private:
  void RunOne(int workers, int round, nlohmann::json& results) {
    const auto name = [&](const char* kind, int i) {
      return fmt::format("bench-{}-{}-{}-{}", kind, workers, round, i);
    };
    const auto measure = [&](const char* what, const char* side,
                             const std::function<Status(int)>& operation) {
      const Result result = Measure(workers, count_, operation);
      results.push_back({{"operation", what},
                         {"side", side},
                         {"at_a_time", workers},
                         {"round", round},
                         {"count", count_},
                         {"per_second", result.per_second},
                         {"p50_ms", result.p50_ms},
                         {"p99_ms", result.p99_ms}});
    };
    const auto bare_create = [&](int i) {
      return CreateImage(pool_.io, name("bare", i), kVolumeBytes);
    };
    const auto csi_create = [&](int i) { return csi_.Create(name("csi", i)); };
    if (round % 2 == 0) measure("create", "librbd", bare_create);
    measure("create", "CreateVolume", csi_create);
    if (round % 2 != 0) measure("create", "librbd", bare_create);
    std::vector<std::string> ids(static_cast<size_t>(count_));
    for (int i = 0; i < count_; ++i) {
      ids[static_cast<size_t>(i)] = ReadImageId(pool_.io, name("bare", i)).value_or("");
    }
    measure("delete", "librbd (trash move)",
            [&](int i) { return MoveImageToTrash(pool_.io, name("bare", i)); });
    for (const std::string& id : ids) PurgeFromTrash(pool_.io, id).IgnoreError();
    measure("delete", "DeleteVolume", [&](int i) { return csi_.Delete(name("csi", i)); });
  }

  const int count_;
  Csi csi_;
  Pool& pool_;
};

int Run(const Options& options) {
  Connections connections(ClusterDirectory(options.clusters), std::chrono::seconds(30));
  const StatusOr<std::shared_ptr<Pool>> pool = connections.Open({"lab", "rbd", "", "x"}, {});
  if (!pool.ok()) {
    std::fputs(fmt::format("{}\n", std::string(pool.status().message())).c_str(), stderr);
    return 1;
  }
  fmt::print("{}\n", Rounds(options, **pool).Run().dump());
  return 0;
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  berth::Flags flags("volume-rates", "CreateVolume and DeleteVolume beside bare librbd.",
                     BERTH_VERSION);
  berth::Options options;
  flags.AddCsiEndpoint(options.csi_endpoint);
  flags.AddClusters(options.clusters);
  flags.app()
      .add_option("--count", options.count, "volumes per measurement")
      ->capture_default_str();
  if (const std::optional<int> code = flags.Parse(argc, argv)) return *code;
  return berth::Run(options);
}
