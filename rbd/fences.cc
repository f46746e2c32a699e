#include "rbd/fences.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace berth {
namespace {

using nlohmann::json;

constexpr char kFencesObject[] = "berth.fences";
constexpr char kPrefix[] = "f/";
constexpr int kVersion = 1;
constexpr int kMaxAttempts = 64;  // each lost race means that another controller made progress

std::string Key(const std::string& instance) { return kPrefix + instance; }

// `stored`: the text that this one takes the place of. What a newer version has added to it stays.
std::string ToJson(const FenceRecord& fence, const std::optional<std::string>& stored) {
  json value = json::object();
  if (stored) value = json::parse(*stored);
  value.update(json{{"version", std::max(kVersion, value.value("version", kVersion))},
                    {"image", fence.image},
                    {"node", fence.node},
                    {"boot_id", fence.boot_id},
                    {"epoch", fence.epoch},
                    {"since_s", fence.since_s},
                    {"until_s", fence.until_s}});
  return value.dump();
}

StatusOr<FenceRecord> Parse(const std::string& key, const std::string& text) {
  const std::string instance = key.substr(sizeof(kPrefix) - 1);
  try {
    const json value = json::parse(text);
    FenceRecord fence;
    fence.instance = instance;
    fence.image = value.at("image").get<std::string>();
    fence.node = value.at("node").get<std::string>();
    fence.boot_id = value.at("boot_id").get<std::string>();
    fence.epoch = value.at("epoch").get<uint64_t>();
    fence.since_s = value.at("since_s").get<int64_t>();
    fence.until_s = value.at("until_s").get<int64_t>();
    return fence;
  } catch (const json::exception& error) {
    return absl::DataLossError(
        fmt::format("the fence record of {} cannot be read: {}", instance, error.what()));
  }
}

Status BeingChanged(const std::string& instance) {
  return absl::AbortedError(fmt::format(
      "the fence record of {} is being changed by others all the time; try again", instance));
}

}  // namespace

Status Fences::Put(const FenceRecord& fence, bool create) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                           store_->Get(kFencesObject, Key(fence.instance)));
    // Proved gone meanwhile: a record of it would be upheld for ever.
    if (!stored && !create) return absl::OkStatus();
    FenceRecord merged = fence;
    if (stored) {
      BERTH_ASSIGN_OR_RETURN(const FenceRecord before, Parse(Key(fence.instance), *stored));
      merged.since_s = before.since_s;
      merged.until_s = std::max(before.until_s, fence.until_s);
      if (merged == before) return absl::OkStatus();
    }
    const Status status =
        store_->Update(kFencesObject, {{Key(fence.instance), stored, ToJson(merged, stored)}});
    if (status.code() != absl::StatusCode::kAborted) return status;
  }
  return BeingChanged(fence.instance);
}

Status Fences::Fence(const Fencer& fencer, FenceRecord fence, absl::Time now,
                     std::chrono::seconds duration) {
  fence.since_s = absl::ToUnixSeconds(now);
  fence.until_s = 0;
  BERTH_RETURN_IF_ERROR(Put(fence, /*create=*/true));
  BERTH_RETURN_IF_ERROR(fencer.Fence(fence.instance, duration));
  return NoteUntil(fence, now, duration);
}

Status Fences::BringBack(const Fencer& fencer, FenceRecord fence, absl::Time now,
                         std::chrono::seconds duration) {
  BERTH_RETURN_IF_ERROR(fencer.FenceIfMissing(fence.instance, duration));
  return NoteUntil(fence, now, duration);
}

Status Fences::NoteUntil(FenceRecord fence, absl::Time now, std::chrono::seconds duration) {
  fence.until_s = absl::ToUnixSeconds(now + absl::FromChrono(duration));
  return Put(fence, /*create=*/false);
}

StatusOr<std::vector<FenceRecord>> Fences::List() {
  std::vector<FenceRecord> fences;
  BERTH_RETURN_IF_ERROR(ForEachEntry(
      *store_, kFencesObject, kPrefix, [&](const OmapStore::Entry& entry) -> StatusOr<bool> {
        BERTH_ASSIGN_OR_RETURN(FenceRecord fence, Parse(entry.key, entry.value));
        fences.push_back(std::move(fence));
        return true;
      }));
  return fences;
}

StatusOr<bool> Fences::Contains(const std::string& instance) {
  BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                         store_->Get(kFencesObject, Key(instance)));
  return stored.has_value();
}

Status Fences::Remove(const std::string& instance) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    BERTH_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                           store_->Get(kFencesObject, Key(instance)));
    if (!stored) return absl::OkStatus();
    const Status status = store_->Update(kFencesObject, {{Key(instance), stored, std::nullopt}});
    if (status.code() != absl::StatusCode::kAborted) return status;
  }
  return BeingChanged(instance);
}

}  // namespace berth
