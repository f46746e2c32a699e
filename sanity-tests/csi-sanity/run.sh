#!/usr/bin/env bash
# csi-sanity against the real programs on the lab's real Ceph, with real mounts: once with file systems, once
# with raw block. Fails when a test fails, when one is skipped that allowed-skips.txt does not explain, or when
# anything is left behind. Run it by ./dev sanity, which brings Ceph up; more words go to csi-sanity.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../deploy/dev/environment.sh"

: "${BERTH_CLUSTERS:?is not set: run this by ./dev sanity}"
require_root csi-sanity
work=$(mktemp -d /run/berth-sanity.XXXXXX)
pids=()

# Ends the programs by their ids, berth-data last because it serves berth-node; then takes away what a failed
# test may have left.
finish() {
  local code=$? pid
  trap - EXIT INT TERM
  for pid in "${pids[@]}"; do
    kill -s TERM "$pid" 2>/dev/null || continue
    wait "$pid" || true
  done
  if ! nothing_is_left; then
    code=1
    remove_remains
  fi
  if [ "$code" = 0 ]; then rm -rf "$work"; else say "logs are in $work"; fi
  exit "$code"
}

nothing_is_left() {
  local left=0
  if grep -F " $work/" /proc/self/mountinfo >&2; then
    say "these mounts were left behind"
    left=1
  fi
  if pgrep -P "${pids[-1]:-0}" >/dev/null 2>&1; then
    say "berth-data left I/O processes behind"
    left=1
  fi
  return $left
}

remove_remains() {
  local mount
  awk -v under="$work/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | tac |
    while read -r mount; do umount -l "$mount" || true; done
}

# start NAME PROGRAM FLAGS...: in the background, its output to a log.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 &
  pids=("$!" "${pids[@]}")
}

# await SOCKET: the program just started serves on it, or its log is shown.
await() {
  await_socket "$1" && return 0
  tail -n 5 "$work"/*.log >&2
  die "nothing serves on $1"
}

start_programs() {
  mkdir -p "$work/state"
  start data berth-data --data-socket "$work/data.sock" \
    --clusters "$BERTH_CLUSTERS"
  await "$work/data.sock"
  start node berth-node --csi-endpoint "unix://$work/node.sock" --node-id sanity-node \
    --clusters "$BERTH_CLUSTERS" --data-socket "$work/data.sock" --state-dir "$work/state"
  start controller berth-controller --csi-endpoint "unix://$work/controller.sock" \
    --clusters "$BERTH_CLUSTERS"
  await "$work/node.sock"
  await "$work/controller.sock"
}

# run_suite ACCESS_TYPE WORDS...
run_suite() {
  local access=$1
  shift
  say "csi-sanity with access type $access"
  csi-sanity --csi.endpoint "unix://$work/node.sock" \
    --csi.controllerendpoint "unix://$work/controller.sock" \
    --csi.stagingdir "$work/staging" --csi.mountdir "$work/target" \
    --csi.testvolumeparameters "$here/parameters.yaml" --csi.testvolumesize $((64 << 20)) \
    --csi.testvolumeaccesstype "$access" \
    --ginkgo.junit-report "$work/$access.xml" --ginkgo.no-color --ginkgo.succinct "$@"
  "$here/check_skips.py" "$here/allowed-skips.txt" "$work/$access.xml"
}

trap finish EXIT
trap 'exit 130' INT TERM
start_programs
run_suite mount "$@"
run_suite block "$@"
