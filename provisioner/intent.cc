#include "provisioner/intent.h"

#include <google/protobuf/util/json_util.h>
#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "kube/quantity.h"
#include "provisioner/capability.h"

namespace berth::provisioner {
namespace {

constexpr int kVersion = 1;
constexpr char kStorage[] = "storage";

std::map<std::string, std::string> ToMap(
    const google::protobuf::Map<std::string, std::string>& from) {
  return {from.begin(), from.end()};
}

StatusOr<int64_t> BytesOf(
    const google::protobuf::Map<std::string, k8s::io::apimachinery::pkg::api::resource::Quantity>&
        resources) {
  const auto found = resources.find(kStorage);
  if (found == resources.end()) return 0;
  return kube::ParseQuantity(found->second.string());
}

Status SetCapacity(const kube::core::PersistentVolumeClaimSpec& spec,
                   csi::v1::CreateVolumeRequest& request) {
  BERTH_ASSIGN_OR_RETURN(const int64_t required, BytesOf(spec.resources().requests()));
  BERTH_ASSIGN_OR_RETURN(const int64_t limit, BytesOf(spec.resources().limits()));
  request.mutable_capacity_range()->set_required_bytes(required);
  request.mutable_capacity_range()->set_limit_bytes(limit);
  return absl::OkStatus();
}

}  // namespace

std::string VolumeNameFor(const kube::core::PersistentVolumeClaim& claim) {
  return "pvc-" + claim.metadata().uid();
}

StatusOr<Intent> MakeIntent(const kube::core::PersistentVolumeClaim& claim,
                            const kube::storage::StorageClass& storage_class,
                            const std::string& driver,
                            const CsiDriver::Capabilities& capabilities) {
  BERTH_ASSIGN_OR_RETURN(const ClassParameters parameters,
                         ParseClassParameters(ToMap(storage_class.parameters())));
  Intent intent;
  intent.driver = driver;
  intent.class_uid = storage_class.metadata().uid();
  csi::v1::CreateVolumeRequest& request = intent.request;
  request.set_name(VolumeNameFor(claim));
  BERTH_ASSIGN_OR_RETURN(intent.secret,
                         ResolveSecret(parameters, SecretUse::kProvisioner, request.name(), claim));
  BERTH_RETURN_IF_ERROR(SetCapacity(claim.spec(), request));

  Usage usage;
  usage.access_modes = {claim.spec().accessmodes().begin(), claim.spec().accessmodes().end()};
  usage.block = claim.spec().volumemode() == "Block";
  usage.fs_type = parameters.fs_type;
  usage.mount_options = {storage_class.mountoptions().begin(), storage_class.mountoptions().end()};
  BERTH_ASSIGN_OR_RETURN(std::vector<csi::v1::VolumeCapability> wanted,
                         CapabilitiesFor(usage, capabilities.single_node_multi_writer));
  for (csi::v1::VolumeCapability& capability : wanted) {
    *request.add_volume_capabilities() = std::move(capability);
  }

  auto& given = *request.mutable_parameters();
  given.insert(parameters.for_driver.begin(), parameters.for_driver.end());
  given["csi.storage.k8s.io/pvc/name"] = claim.metadata().name();
  given["csi.storage.k8s.io/pvc/namespace"] = claim.metadata().namespace_();
  given["csi.storage.k8s.io/pv/name"] = request.name();
  return intent;
}

std::string EncodeIntent(const Intent& intent) {
  std::string request;
  // Fails only for messages with malformed Any or Timestamp fields, which the request has not.
  const auto converted = google::protobuf::util::MessageToJsonString(intent.request, &request);
  nlohmann::json json = {{"version", kVersion},
                         {"driver", intent.driver},
                         {"classUid", intent.class_uid},
                         {"request", nlohmann::json::parse(converted.ok() ? request : "{}")}};
  if (intent.secret) {
    json["secret"] = {{"namespace", intent.secret->ns}, {"name", intent.secret->name}};
  }
  return json.dump();
}

StatusOr<Intent> DecodeIntent(std::string_view text) {
  const Status unreadable = absl::DataLossError(
      fmt::format("annotation is not an intent of version {} or older", kVersion));
  // nlohmann reports a missing or wrongly typed member by exception; it ends here.
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    if (json.at("version").get<int>() > kVersion) return unreadable;
    Intent intent;
    intent.driver = json.at("driver").get<std::string>();
    intent.class_uid = json.at("classUid").get<std::string>();
    if (const auto secret = json.find("secret"); secret != json.end()) {
      intent.secret = SecretName{secret->at("namespace").get<std::string>(),
                                 secret->at("name").get<std::string>()};
    }
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    const auto parsed = google::protobuf::util::JsonStringToMessage(json.at("request").dump(),
                                                                    &intent.request, options);
    if (!parsed.ok() || intent.request.name().empty()) return unreadable;
    return intent;
  } catch (const nlohmann::json::exception&) {
    return unreadable;
  }
}

}  // namespace berth::provisioner
