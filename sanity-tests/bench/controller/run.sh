#!/usr/bin/env bash
# run.sh RESULTS: rates of a berth-controller beside bare librbd, and its memory afterwards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../../deploy/dev/environment.sh"
results=$1
work=$(mktemp -d /run/berth-bench.XXXXXX)
"$BERTH_BUILD/bin/berth-controller" --csi-endpoint "unix://$work/csi.sock" --clusters "$BERTH_CLUSTERS" \
  --log-level error &
controller=$!
trap 'kill -s TERM $controller; wait $controller || true; rm -rf "$work"' EXIT
await_socket "$work/csi.sock" || die "berth-controller does not serve on $work/csi.sock"
"$BERTH_BUILD/bin/volume-rates" --csi-endpoint "unix://$work/csi.sock" --clusters "$BERTH_CLUSTERS" \
  --count "${BERTH_BENCH_VOLUMES:-200}" >"$work/rates.json"
resident_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$controller/status"; }
busy_kb=$(resident_kb)
sleep 35 # what is measured is a controller that has been idle for longer than its release interval of 30 s
"$here/table.py" "$work/rates.json" "$busy_kb" "$(resident_kb)" "$results/controller.json"
