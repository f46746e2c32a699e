#include "rbd/omap.h"

namespace berth {
namespace {

constexpr size_t kPageSize = 256;

}  // namespace

Status ForEachEntry(OmapStore& store, const std::string& object, const std::string& prefix,
                    const std::function<StatusOr<bool>(const OmapStore::Entry&)>& visit) {
  std::string after;
  for (;;) {
    BERTH_ASSIGN_OR_RETURN(const std::vector<OmapStore::Entry> page,
                           store.List(object, prefix, after, kPageSize));
    for (const OmapStore::Entry& entry : page) {
      BERTH_ASSIGN_OR_RETURN(const bool go_on, visit(entry));
      if (!go_on) return absl::OkStatus();
    }
    if (page.size() < kPageSize) return absl::OkStatus();
    after = page.back().key;
  }
}

}  // namespace berth
