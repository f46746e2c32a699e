// The labels that Kubernetes puts on a StatefulSet's objects.
#pragma once

namespace berth::statefulset {

inline constexpr char kPodNameLabel[] = "statefulset.kubernetes.io/pod-name";
inline constexpr char kPodIndexLabel[] = "apps.kubernetes.io/pod-index";
inline constexpr char kRevisionLabel[] = "controller-revision-hash";  // on pods: a revision's name
// On pods that a per-ordinal override changed: a hash of it. Berth's own.
inline constexpr char kOverrideLabel[] = "berth.storage/override";
inline constexpr char kHashLabel[] = "controller.kubernetes.io/hash";  // on revisions

}  // namespace berth::statefulset
