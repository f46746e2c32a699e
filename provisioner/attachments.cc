#include "provisioner/attachments.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <nlohmann/json.hpp>

#include "kube/time.h"
#include "provisioner/names.h"

namespace berth::provisioner {
namespace {

using kube::Outcome;

kube::Controller::Options Loop(std::string name, int workers) {
  kube::Controller::Options options;
  options.name = std::move(name);
  options.workers = workers;
  options.queue.base_delay = absl::Seconds(1);
  options.queue.max_delay = absl::Minutes(1);
  return options;
}

}  // namespace

Attachments::Attachments(Environment environment, int attach_workers, int detach_workers)
    : environment_(environment),
      attach_(
          environment.clock, Loop("attach", attach_workers),
          [this] { return Keys(AttachmentStep::kAttach); },
          [this](const std::string& key) { return Reconcile(AttachmentStep::kAttach, key); }),
      detach_(
          environment.clock, Loop("detach", detach_workers),
          [this] { return Keys(AttachmentStep::kDetach); },
          [this](const std::string& key) { return Reconcile(AttachmentStep::kDetach, key); }) {
  Watch();
}

void Attachments::Start() {
  attach_.Start();
  detach_.Start();
}

void Attachments::Stop() {
  attach_.Stop();
  detach_.Stop();
}

void Attachments::Watch() {
  Caches& caches = environment_.caches;
  caches.attachments.AddHandler([this](const auto& change) {
    if (change.after == nullptr || !NeedsLook(change.before.get(), *change.after)) return;
    kube::Controller& loop = change.after->metadata().has_deletiontimestamp() ? detach_ : attach_;
    loop.Enqueue(change.key().name);
  });
  // The driver has been registered on the node for which an attachment waits.
  caches.nodes.AddHandler([this, &caches](const auto& change) {
    if (change.after == nullptr) return;
    for (const auto& waiting : caches.attachments.ByIndex(Caches::kByNode, change.key().name)) {
      if (!waiting->metadata().has_deletiontimestamp()) attach_.Enqueue(waiting->metadata().name());
    }
  });
}

std::vector<std::string> Attachments::Keys(AttachmentStep step) {
  std::vector<std::string> keys;
  for (const auto& attachment : environment_.caches.attachments.List()) {
    if (PlanAttachment(*attachment, environment_.driver.name()) == step) {
      keys.push_back(attachment->metadata().name());
    }
  }
  return keys;
}

Outcome Attachments::Reconcile(AttachmentStep mine, const std::string& name) {
  const auto attachment = environment_.caches.attachments.Get({"", name});
  if (attachment == nullptr) return absl::OkStatus();
  const AttachmentStep step = PlanAttachment(*attachment, environment_.driver.name());
  if (step != mine) return absl::OkStatus();
  // An attach that is still on its way when its object is deleted must end before the detach
  // begins, or it could win.
  if (!busy_.Lock()->insert(name).second) return {absl::OkStatus(), absl::Milliseconds(200)};
  const Status result = step == AttachmentStep::kAttach ? Attach(*attachment) : Detach(*attachment);
  busy_.Lock()->erase(name);
  return result;
}

Status Attachments::Attach(const Attachment& attachment) {
  const std::string finalizer = AttacherFinalizer(environment_.driver.name());
  const StatusOr<Volume> volume = VolumeOf(attachment);
  if (!volume.ok()) return Failed(attachment, "attachError", volume.status());
  const StatusOr<std::string> node_id = NodeIdOf(attachment);
  if (!node_id.ok()) return Failed(attachment, "attachError", node_id.status());
  // Before anything is put on the objects: a volume in deletion must not get a new finalizer.
  const StatusOr<csi::v1::ControllerPublishVolumeRequest> possible = PublishRequest(
      *volume, *node_id, environment_.driver.capabilities(), environment_.driver.name());
  if (!possible.ok()) return Failed(attachment, "attachError", possible.status());

  const StatusOr<Volume> held = environment_.api.Change(*volume, {.add_finalizers = {finalizer}});
  if (!held.ok()) return Failed(attachment, "attachError", held.status());
  const StatusOr<Attachment> marked = environment_.api.Change(
      attachment,
      {.set_annotations = {{kNodeIdAnnotation, *node_id}}, .add_finalizers = {finalizer}});
  if (absl::IsNotFound(marked.status())) return absl::OkStatus();
  if (!marked.ok()) return Failed(attachment, "attachError", marked.status());

  const StatusOr<csi::v1::ControllerPublishVolumeResponse> published = Publish(*held, *node_id);
  if (!published.ok()) return Failed(attachment, "attachError", published.status());
  const std::map<std::string, std::string> context(published->publish_context().begin(),
                                                   published->publish_context().end());
  return PatchStatus(attachment, {{"attached", true},
                                  {"attachmentMetadata", context},
                                  {"attachError", nullptr},
                                  {"detachError", nullptr}});
}

Status Attachments::Detach(const Attachment& attachment) {
  const StatusOr<Volume> volume = VolumeOf(attachment);
  if (!volume.ok()) return Failed(attachment, "detachError", volume.status());
  const StatusOr<std::string> node_id = NodeIdOf(attachment);
  if (!node_id.ok()) return Failed(attachment, "detachError", node_id.status());
  if (const Status unpublished = Unpublish(*volume, *node_id); !unpublished.ok()) {
    return Failed(attachment, "detachError", unpublished);
  }
  const StatusOr<Attachment> released = environment_.api.Change(
      attachment, {.remove_finalizers = {AttacherFinalizer(environment_.driver.name())}});
  if (absl::IsNotFound(released.status())) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(released.status());
  // Still there only when somebody else's finalizer holds it.
  if (released->metadata().finalizers().empty()) return absl::OkStatus();
  return PatchStatus(attachment, {{"attached", false}, {"detachError", nullptr}});
}

StatusOr<Attachments::Volume> Attachments::VolumeOf(const Attachment& attachment) {
  const std::string& name = attachment.spec().source().persistentvolumename();
  if (name.empty()) {
    return absl::UnimplementedError("VolumeAttachments with an inline volume are not supported");
  }
  if (const auto cached = environment_.caches.volumes.Get({"", name})) return *cached;
  return environment_.api.Get<Volume>({"", name});
}

StatusOr<std::string> Attachments::NodeIdOf(const Attachment& attachment) {
  const auto node = environment_.caches.nodes.Get({"", attachment.spec().nodename()});
  return NodeIdFor(attachment, node.get(), environment_.driver.name());
}

StatusOr<csi::v1::ControllerPublishVolumeResponse> Attachments::Publish(
    const Volume& volume, const std::string& node_id) {
  // A driver that attaches nothing: being asked for is being attached.
  const CsiDriver::Capabilities& capabilities = environment_.driver.capabilities();
  if (!capabilities.publish_unpublish_volume) return csi::v1::ControllerPublishVolumeResponse();
  BERTH_ASSIGN_OR_RETURN(csi::v1::ControllerPublishVolumeRequest request,
                         PublishRequest(volume, node_id, capabilities, environment_.driver.name()));
  BERTH_ASSIGN_OR_RETURN(
      Secret secret,
      ReadSecret(
          environment_.api,
          SecretOf(volume.spec().persistentvolumesource().csi().controllerpublishsecretref())));
  request.mutable_secrets()->swap(secret);
  return environment_.driver.Publish(request);
}

Status Attachments::Unpublish(const Volume& volume, const std::string& node_id) {
  if (!environment_.driver.capabilities().publish_unpublish_volume) return absl::OkStatus();
  const kube::core::CSIPersistentVolumeSource& source =
      volume.spec().persistentvolumesource().csi();
  csi::v1::ControllerUnpublishVolumeRequest request;
  request.set_volume_id(source.volumehandle());
  request.set_node_id(node_id);
  StatusOr<Secret> secret =
      ReadSecret(environment_.api, SecretOf(source.controllerpublishsecretref()));
  if (!secret.ok() && !absl::IsNotFound(secret.status())) return secret.status();
  if (secret.ok()) request.mutable_secrets()->swap(*secret);
  return environment_.driver.Unpublish(request);
}

Status Attachments::PatchStatus(const Attachment& attachment, const nlohmann::json& status) {
  const nlohmann::json patch = {{"metadata", {{"uid", attachment.metadata().uid()}}},
                                {"status", status}};
  const Status patched = environment_.api
                             .Patch<Attachment>(kube::KeyOf(attachment), kube::PatchType::kMerge,
                                                patch.dump(), "status")
                             .status();
  return absl::IsNotFound(patched) ? absl::OkStatus() : patched;
}

Status Attachments::Failed(const Attachment& attachment, const char* field, const Status& error) {
  const nlohmann::json status = {{field,
                                  {{"message", std::string(error.message())},
                                   {"time", kube::ToJsonTime(environment_.clock.Now())}}}};
  const Status written = PatchStatus(attachment, status);
  return written.ok() ? error : Annotate(error, "(status not written: " + written.ToString() + ")");
}

}  // namespace berth::provisioner
