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

# These are the commands of docs/operations.md.
cd "$BERTH_ROOT"
MANIFESTS=deploy/lab/berth
CONF=$BERTH_CLUSTERS/lab/ceph.conf
KEYRING=$BERTH_CLUSTERS/lab/keyring
kubectl apply -k deploy/kubernetes/namespace
kubectl -n berth-system create secret generic berth-clusters --from-file=ceph.conf="$CONF" --from-file=ceph.keyring="$KEYRING" --dry-run=client -o yaml | kubectl apply -f -
kubectl apply -k "$MANIFESTS"
kubectl apply --server-side -k deploy/kubernetes/companion/statefulset
kubectl apply -k deploy/lab/companion
if [ -n "$loaded" ] && [ "$image" != "$loaded" ]; then
  kubectl -n berth-system rollout restart daemonset/berth-data daemonset/berth-node deployment/berth-controller \
    deployment/berth-statefulset
  kubectl -n kube-system rollout restart deployment/berth-dns
fi
kubectl annotate --overwrite namespace berth-system "berth.lab/image=$image" >/dev/null

kubectl -n berth-system rollout status daemonset/berth-data --timeout=5m
kubectl -n berth-system rollout status daemonset/berth-node --timeout=5m
kubectl -n berth-system rollout status deployment/berth-controller --timeout=5m
kubectl -n berth-system rollout status --timeout=120s deployment/berth-statefulset
kubectl -n kube-system rollout status --timeout=120s deployment/berth-dns
