#include "rbd/data/data_path_messages.h"

#include <string>

namespace berth {

data::v1::AttachRequest ToMessage(const AttachRequest& request) {
  data::v1::AttachRequest message;
  message.set_volume(request.volume.ToString());
  message.set_node_id(request.node_id);
  message.set_boot_id(request.boot_id);
  message.set_epoch(request.epoch);
  message.set_read_only(request.read_only);
  if (request.user) {
    message.set_user_id(request.user->id);
    message.set_user_key(request.user->key);
  }
  return message;
}

StatusOr<AttachRequest> FromMessage(const data::v1::AttachRequest& message) {
  AttachRequest request;
  BERTH_ASSIGN_OR_RETURN(request.volume, ParseVolumeHandle(message.volume()));
  request.node_id = message.node_id();
  request.boot_id = message.boot_id();
  request.epoch = message.epoch();
  request.read_only = message.read_only();
  if (!message.user_id().empty()) {
    request.user = CephUser{.id = message.user_id(), .key = message.user_key()};
  }
  return request;
}

data::v1::Attachment ToMessage(const Attachment& attachment) {
  data::v1::Attachment message;
  message.set_volume(attachment.volume.ToString());
  message.set_epoch(attachment.epoch);
  message.set_device(attachment.device);
  message.set_instance(attachment.instance);
  message.set_healthy(attachment.healthy);
  message.set_stalled(attachment.stalled);
  return message;
}

StatusOr<Attachment> FromMessage(const data::v1::Attachment& message) {
  Attachment attachment;
  BERTH_ASSIGN_OR_RETURN(attachment.volume, ParseVolumeHandle(message.volume()));
  attachment.epoch = message.epoch();
  attachment.device = message.device();
  attachment.instance = message.instance();
  attachment.healthy = message.healthy();
  attachment.stalled = message.stalled();
  return attachment;
}

}  // namespace berth
