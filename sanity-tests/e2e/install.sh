#!/usr/bin/env bash
# Installs Berth, as this checkout built it, into the lab's Kubernetes the way an administrator would. Run by the
# demo and the end-to-end test through `./dev lab run`.
set -euo pipefail
e2e_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$e2e_dir/../../deploy/dev/environment.sh"

# The image's name stays the same, so what already runs it is restarted when its content changed.
"$BERTH_ROOT/deploy/image/build.sh"
image=$(<"$BERTH_ROOT/build/image/input")
loaded=$(kubectl get namespace berth-system --ignore-not-found -o jsonpath='{.metadata.annotations.berth\.lab/image}')
if [ "$image" != "$loaded" ]; then
  say "loading the image into the nodes, about 10 seconds"
  "$BERTH_ROOT/dev" lab import "$BERTH_ROOT/build/image/berth.tar"
fi

kubectl apply -k "$BERTH_ROOT/deploy/lab/berth"
kubectl apply -k "$BERTH_ROOT/deploy/lab/companion"
kubectl apply --server-side -k "$BERTH_ROOT/deploy/kubernetes/companion/statefulset"
kubectl -n berth-system create secret generic berth-clusters \
  --from-file=lab.conf="$BERTH_CLUSTERS/lab/ceph.conf" --from-file=lab.keyring="$BERTH_CLUSTERS/lab/keyring" \
  --dry-run=client -o yaml | kubectl apply -f -
if [ -n "$loaded" ] && [ "$image" != "$loaded" ]; then
  kubectl -n berth-system rollout restart daemonset/berth-data daemonset/berth-node deployment/berth-controller \
    deployment/berth-statefulset
  kubectl -n kube-system rollout restart deployment/berth-dns
fi
kubectl annotate --overwrite namespace berth-system "berth.lab/image=$image" >/dev/null

for workload in daemonset/berth-data daemonset/berth-node deployment/berth-controller deployment/berth-statefulset; do
  kubectl -n berth-system rollout status --timeout=120s $workload
done
kubectl -n kube-system rollout status --timeout=120s deployment/berth-dns
