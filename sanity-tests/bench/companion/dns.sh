#!/usr/bin/env bash
# dns.sh RESULTS: berth-companion's role dns beside CoreDNS; see dns_bench.cc.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go; do
  # shellcheck source=/dev/null
  source "$here/../../../deploy/dev/$part.sh"
done
unpack_packages lab-unpacked
ensure_kubernetes
ensure_coredns
work=$(mktemp -d /run/berth-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
BERTH_KUBE_BIN=$KUBERNETES_BIN BERTH_ETCD=$UNPACKED_ROOT/usr/bin/etcd BERTH_COREDNS=$COREDNS_BIN/coredns \
  "$BERTH_BUILD/bin/dns-bench" "$BERTH_BUILD/bin/berth-companion" "$work" "$1/companion-dns.json"
