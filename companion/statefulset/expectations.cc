#include "companion/statefulset/expectations.h"

#include "kube/resource.h"

namespace berth::statefulset {

bool IsShown(const Write& write, const std::optional<Cached>& cached, bool reached) {
  if (reached) return true;
  switch (write.kind) {
    case Write::Kind::kStored:
      return cached && cached->uid == write.uid &&
             !kube::IsOlder(cached->resource_version, write.resource_version);
    case Write::Kind::kDeleted:
      return !cached || cached->uid != write.uid || cached->terminating;
  }
  return false;
}

}  // namespace berth::statefulset
