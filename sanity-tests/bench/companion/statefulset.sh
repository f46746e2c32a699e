#!/usr/bin/env bash
# statefulset.sh RESULTS: how fast, and with how many calls and how much memory, Berth keeps StatefulSets, beside
# Kubernetes' own controller; on an etcd and API server of their own. BERTH_BENCH_ROUNDS (3) interleaved rounds with a
# set of BERTH_BENCH_REPLICAS (50) each, then BERTH_BENCH_PODS (1000) pods for the memory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go; do
  # shellcheck source=/dev/null
  source "$here/../../../deploy/dev/$part.sh"
done
unpack_packages lab-unpacked
ensure_kubernetes
BERTH_KUBE_BIN=$KUBERNETES_BIN BERTH_ETCD=$UNPACKED_ROOT/usr/bin/etcd "$BERTH_BUILD/tests/with_api_server" \
  "$here/statefulset_rounds.sh" "$1" "$BERTH_BUILD/bin" "${BERTH_BENCH_ROUNDS:-3}" "${BERTH_BENCH_REPLICAS:-50}" \
  "${BERTH_BENCH_PODS:-1000}"
