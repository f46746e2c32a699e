#!/usr/bin/env bash
# run.sh RESULTS: how long a fence takes, with the lab's paxos interval and with Ceph's own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../../deploy/dev/environment.sh"
results=$1

# interval PROPOSE_SECONDS WAIT_SECONDS
interval() {
  ceph tell mon.a config set paxos_propose_interval "$1" >/dev/null 2>&1
  ceph tell mon.a config set paxos_min_wait "$2" >/dev/null 2>&1
}
# measure SETTING [FLAG...]
measure() {
  "$BERTH_BUILD/bin/fence-times" --clusters "$BERTH_CLUSTERS" --count "${BERTH_BENCH_FENCES:-30}" --setting "$@"
}
trap 'interval 0.01 0.005' EXIT # the lab's
{
  measure "paxos interval 10 ms"
  interval 1 0.05
  measure "paxos interval 1 s"
  measure "the same, one at a time" --quiet-ms 1500
} >"$results/fencing.json"
