#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include "race.h"
#include "rbd/image.h"
#include "rbd/writer_claim.h"

namespace berth {
namespace {

constexpr uint64_t kMaxWrites = 12;  // of one holder, before it goes

struct Stamp {
  uint64_t epoch;
  uint64_t sequence;
};

class NodeRole {
 public:
  NodeRole(Connections& connections, const VolumeHandle& volume, std::string node,
           Scoreboard& board, uint64_t seed)
      : connections_(connections),
        volume_(volume),
        node_(std::move(node)),
        board_(board),
        random_(seed) {}

  void Run() {
    while (!board_.stop) {
      if (!next_client_ && !Connect()) continue;
      const StatusOr<std::shared_ptr<Pool>> pool = connections_.Open(volume_, {});
      if (!pool.ok()) {
        Complain(pool.status());
        continue;
      }
      const StatusOr<VolumeRecord> record = (*pool)->registry.Get(volume_.image);
      if (!record.ok()) {
        Complain(record.status());
      } else if (record->writer.node == node_ && record->writer.state == ClaimState::kPublished) {
        Hold((*pool)->registry, record->writer.epoch, std::move(next_client_));
      }
    }
  }

 private:
  // Connecting takes longer than a claim often lasts, so the next holder's client is made
  // beforehand.
  bool Connect() {
    const StatusOr<ClusterConfig> config = connections_.clusters().Find(volume_.cluster);
    auto client = config.ok() ? RadosClient::Connect(*config, RadosClient::Purpose::kData,
                                                     std::chrono::seconds(20))
                              : config.status();
    if (!client.ok()) {
      Complain(client.status());
      return false;
    }
    next_client_ = *std::move(client);
    return true;
  }

  // As the data path does it: a fresh client, recorded before it opens the image.
  void Hold(Registry& registry, uint64_t epoch, std::unique_ptr<RadosClient> client) {
    const std::string instance = client->address();
    if (!Change(registry, [&](WriterClaim& claim) {
          return BeginOpenClaim(claim, node_, epoch, "boot", instance);
        })) {
      return;
    }
    const Status fresh = client->WaitForLatestMap();
    const auto io = client->OpenPool(volume_.pool, volume_.rados_namespace);
    if (!fresh.ok() || !io.ok()) return Complain(fresh.ok() ? io.status() : fresh);
    auto image = Image::Open(*io, volume_.image, Image::Mode::kReadWrite);
    if (!image.ok()) return;  // fenced while it opened
    if (!Change(registry, [&](WriterClaim& claim) {
          return CompleteOpenClaim(claim, node_, epoch, instance);
        })) {
      return;
    }
    ++board_.grants;
    RaiseNewestEpoch(epoch);
    const bool alive = Write(*image, epoch);
    if (alive && random_() % 2 == 0 && image->Close().ok()) {
      Change(registry,
             [&](WriterClaim& claim) { return CloseClaim(claim, node_, epoch, instance); });
    }
    // Otherwise it goes without a word, as a node that died.
  }

  // Writes until a random end or the fence; false when fenced.
  bool Write(Image& image, uint64_t epoch) {
    const uint64_t count = 1 + random_() % kMaxWrites;
    for (uint64_t sequence = 0; sequence < count && !board_.stop; ++sequence) {
      const Stamp stamp = {epoch, sequence};
      const uint64_t newest_when_issued = board_.newest_epoch;
      const ssize_t written =
          rbd_write(image.get(), 0, sizeof stamp, reinterpret_cast<const char*>(&stamp));
      if (written < 0) {
        if (written != -ESHUTDOWN && written != -EROFS)
          Complain(ErrnoError(static_cast<int>(written), "write"));
        ++board_.fenced;
        return false;
      }
      ++board_.writes;
      if (newest_when_issued > epoch) {
        ++board_.violations;
        std::fprintf(stderr, "%s wrote at epoch %lu after epoch %lu had begun\n", node_.c_str(),
                     epoch, newest_when_issued);
      }
    }
    return true;
  }

  void RaiseNewestEpoch(uint64_t epoch) {
    uint64_t seen = board_.newest_epoch;
    while (seen < epoch && !board_.newest_epoch.compare_exchange_weak(seen, epoch)) {
    }
  }

  template <typename Transition>
  bool Change(Registry& registry, Transition transition) {
    const Status status =
        registry
            .Update(volume_.image, [&](VolumeRecord& record) { return transition(record.writer); })
            .status();
    if (!status.ok() && status.code() != absl::StatusCode::kFailedPrecondition) Complain(status);
    return status.ok();
  }

  void Complain(const Status& status) {
    ++board_.errors;
    std::fprintf(stderr, "%s: %s\n", node_.c_str(), std::string(status.message()).c_str());
  }

  Connections& connections_;
  const VolumeHandle volume_;
  const std::string node_;
  Scoreboard& board_;
  std::unique_ptr<RadosClient> next_client_;
  std::mt19937_64 random_;
};

}  // namespace

void RunNode(Connections& connections, const VolumeHandle& volume, const std::string& node,
             Scoreboard& board, uint64_t seed) {
  NodeRole(connections, volume, node, board, seed).Run();
}

}  // namespace berth
