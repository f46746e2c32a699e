#include "rbd/doctor/observe.h"

#include <spdlog/fmt/fmt.h>

#include <memory>
#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "rbd/doctor/probe.h"
#include "rbd/image.h"
#include "rbd/image_directory.h"

namespace berth {
namespace {

// Reads one namespace. Images first, then records: a record is written before its image.
class NamespaceReader {
 public:
  NamespaceReader(Pool& pool, const VolumeHandle& where, std::vector<Unseen>& unseen)
      : pool_(pool), unseen_(unseen) {
    seen_.where = where;
  }

  StatusOr<ObservedNamespace> Read() {
    BERTH_RETURN_IF_ERROR(ReadLists());
    BERTH_RETURN_IF_ERROR(LookAgainAtRecords());
    BERTH_RETURN_IF_ERROR(LookAgainAtImages());
    BERTH_RETURN_IF_ERROR(LookAgainAtTrash());
    BERTH_RETURN_IF_ERROR(ReadImages());
    return std::move(seen_);
  }

 private:
  Status ReadLists();
  Status LookAgainAtRecords();
  Status LookAgainAtImages();
  Status LookAgainAtTrash();
  Status ReadImages();
  void ReportUnreadable(const std::string& image, const Status& status);
  StatusOr<bool> StillThere(const ImageName& image);

  Pool& pool_;
  std::vector<Unseen>& unseen_;
  ObservedNamespace seen_;
  std::set<std::string> unreadable_;  // images whose record cannot be read
};

void NamespaceReader::ReportUnreadable(const std::string& image, const Status& status) {
  VolumeHandle volume = seen_.where;
  volume.image = image;
  unreadable_.insert(image);
  unseen_.push_back({"record-unreadable", volume.ToString(), status});
}

Status NamespaceReader::ReadLists() {
  BERTH_ASSIGN_OR_RETURN(const std::vector<ImageName> images, ListImages(pool_.io));
  for (const ImageName& image : images) seen_.images[image.name] = {image.name, image.id};
  BERTH_ASSIGN_OR_RETURN(const std::vector<ImageName> trash, ListTrashedImages(pool_.io));
  for (const ImageName& image : trash) seen_.trash[image.id] = {image.name, image.id};
  BERTH_RETURN_IF_ERROR(pool_.registry.ForEach(
      [this](const VolumeRecord& record) {
        seen_.records.push_back(record);
        return true;
      },
      [this](const std::string& image, const Status& status) { ReportUnreadable(image, status); }));
  BERTH_ASSIGN_OR_RETURN(seen_.trash_records, pool_.registry.ListTrash());
  BERTH_ASSIGN_OR_RETURN(seen_.fences, pool_.fences.List());
  return absl::OkStatus();
}

// A record without an image: the one may have gone, or the other come, while the lists were read.
Status NamespaceReader::LookAgainAtRecords() {
  std::vector<VolumeRecord> records;
  for (VolumeRecord& record : seen_.records) {
    if (!seen_.images.contains(record.image)) {
      StatusOr<VolumeRecord> now = pool_.registry.Get(record.image);
      if (absl::IsNotFound(now.status())) continue;
      BERTH_RETURN_IF_ERROR(now.status());
      record = *std::move(now);
      const StatusOr<std::string> id = ReadImageId(pool_.io, record.image);
      if (!id.ok() && !absl::IsNotFound(id.status())) return id.status();
      if (id.ok()) seen_.images[record.image] = {record.image, *id};
    }
    records.push_back(std::move(record));
  }
  seen_.records = std::move(records);
  return absl::OkStatus();
}

Status NamespaceReader::LookAgainAtImages() {
  std::set<std::string> known = unreadable_;
  for (const VolumeRecord& record : seen_.records) known.insert(record.image);
  for (auto image = seen_.images.begin(); image != seen_.images.end();) {
    const std::string& name = image->first;
    bool keep = true;
    if (!known.contains(name)) {
      StatusOr<VolumeRecord> record = pool_.registry.Get(name);
      if (record.ok()) {
        seen_.records.push_back(*std::move(record));
      } else if (absl::IsNotFound(record.status())) {
        keep = !absl::IsNotFound(ReadImageId(pool_.io, name).status());
      }
    }
    image = keep ? std::next(image) : seen_.images.erase(image);
  }
  return absl::OkStatus();
}

Status NamespaceReader::LookAgainAtTrash() {
  std::set<std::string> known;
  for (const TrashRecord& record : seen_.trash_records) {
    known.insert(record.image_id);
    if (seen_.trash.contains(record.image_id)) continue;
    BERTH_ASSIGN_OR_RETURN(const bool there, IsInTrash(pool_.io, record.image_id));
    if (there) seen_.trash[record.image_id] = {record.image, record.image_id};
  }
  for (auto image = seen_.trash.begin(); image != seen_.trash.end();) {
    bool keep = true;
    if (!known.contains(image->first)) {
      BERTH_ASSIGN_OR_RETURN(keep, IsInTrash(pool_.io, image->first));
    }
    image = keep ? std::next(image) : seen_.trash.erase(image);
  }
  return absl::OkStatus();
}

Status NamespaceReader::ReadImages() {
  const auto read = [this](ObservedImage& image) -> Status {
    BERTH_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(pool_.io, image.id));
    image.has_header = header.exists;
    image.snapshots = header.snapshots;
    image.has_clones = header.has_clones;
    return absl::OkStatus();
  };
  for (const VolumeRecord& record : seen_.records) {
    const auto image = seen_.images.find(record.image);
    if (image == seen_.images.end()) continue;
    BERTH_RETURN_IF_ERROR(read(image->second));
  }
  for (const TrashRecord& record : seen_.trash_records) {
    const auto image = seen_.trash.find(record.image_id);
    if (image == seen_.trash.end()) continue;
    BERTH_RETURN_IF_ERROR(read(image->second));
  }
  return absl::OkStatus();
}

// Reads one cluster that is connected.
class ClusterReader {
 public:
  ClusterReader(const ObserveContext& context, ObservedCluster& seen,
                std::shared_ptr<RadosClient> client)
      : context_(context), seen_(seen), client_(std::move(client)) {}

  void Read() {
    Keep(ReadCeph(), "cluster-unseen", seen_.alias);
    Keep(ReadBlocklist(), "cluster-unseen", seen_.alias);
    Keep(ReadNodes(), "nodes-unseen", seen_.alias);
    const StatusOr<std::vector<std::string>> pools = context_.connections.ListPools(seen_.alias);
    if (!pools.ok()) return Keep(pools.status(), "cluster-unseen", seen_.alias);
    for (const std::string& pool : *pools) {
      const std::string object = seen_.alias + "/" + pool;
      Keep(TimeIsLeft() ? ReadPool(pool) : NoTime(), "pool-unseen", object);
    }
  }

 private:
  void Keep(const Status& status, const std::string& kind, const std::string& object) {
    if (!status.ok()) seen_.unseen.push_back({kind, object, status});
  }
  bool TimeIsLeft() const { return absl::Now() < context_.stop_at; }
  static Status NoTime() {
    return absl::DeadlineExceededError("there was no time left to look; give more by --timeout-s");
  }

  Status ReadCeph() {
    BERTH_ASSIGN_OR_RETURN(seen_.ceph, AskCeph(*client_));
    BERTH_ASSIGN_OR_RETURN(std::optional<MissingCaps> missing, ProbeFencing(*client_));
    if (missing) seen_.missing_caps.push_back(*std::move(missing));
    return absl::OkStatus();
  }
  Status ReadBlocklist() {
    BERTH_ASSIGN_OR_RETURN(seen_.blocklist, client_->Blocklist());
    return absl::OkStatus();
  }
  Status ReadNodes() {
    BERTH_ASSIGN_OR_RETURN(seen_.nodes, context_.nodes.List(seen_.alias));
    BERTH_ASSIGN_OR_RETURN(seen_.node_fences, context_.nodes.ListFences(seen_.alias));
    return absl::OkStatus();
  }
  Status ReadPool(const std::string& name);

  const ObserveContext& context_;
  ObservedCluster& seen_;
  const std::shared_ptr<RadosClient> client_;
};

Status ClusterReader::ReadPool(const std::string& name) {
  StatusOr<IoContext> io = client_->OpenPool(name, "");
  if (absl::IsNotFound(io.status())) return absl::OkStatus();  // deleted meanwhile
  BERTH_RETURN_IF_ERROR(io.status());
  BERTH_ASSIGN_OR_RETURN(const bool open, ProbeReading(*io, name));
  if (!open) {
    seen_.closed_pools.push_back(name);
    return absl::OkStatus();
  }
  BERTH_ASSIGN_OR_RETURN(const std::optional<MissingCaps> missing,
                         ProbeWriting(*client_, *io, name));
  if (missing) seen_.missing_caps.push_back(*missing);
  StatusOr<std::vector<std::string>> names = ListRbdNamespaces(*io);
  // That was said already.
  if (missing && absl::IsPermissionDenied(names.status())) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(names.status());
  names->insert(names->begin(), "");
  for (const std::string& rados_namespace : *names) {
    if (!TimeIsLeft()) return NoTime();
    const VolumeHandle where = {seen_.alias, name, rados_namespace, ""};
    BERTH_ASSIGN_OR_RETURN(const std::shared_ptr<Pool> pool,
                           context_.connections.Open(where, std::nullopt));
    StatusOr<ObservedNamespace> seen = NamespaceReader(*pool, where, seen_.unseen).Read();
    if (seen.ok()) {
      seen_.namespaces.push_back(*std::move(seen));
    } else {
      Keep(seen.status(), "pool-unseen", where.PoolToString());
    }
  }
  return absl::OkStatus();
}

}  // namespace

ObservedCluster ObserveCluster(const ObserveContext& context, const std::string& alias) {
  ObservedCluster seen;
  seen.alias = alias;
  seen.now = context.clock.Now();
  seen.version = context.version;
  if (const auto config = context.connections.clusters().Find(alias); config.ok()) {
    seen.user = config->user.id;
  }
  StatusOr<std::shared_ptr<RadosClient>> client = context.connections.Client(alias, std::nullopt);
  seen.connected = client.status();
  if (client.ok()) ClusterReader(context, seen, *std::move(client)).Read();
  return seen;
}

}  // namespace berth
