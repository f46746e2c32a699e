#!/usr/bin/env bash
# statefulset.sh CONTROLLER FOCUS: the [sig-apps] StatefulSet specs against the lab's API server. Run by
# ./dev conformance, which brings the lab up with Berth in it and CONTROLLER (companion, built-in, none) in charge.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../deploy/dev/environment.sh"
: "${KUBECONFIG:?is not set: run this by ./dev conformance statefulset}"
controller=$1
focus=$2

out=$BERTH_ROOT/build/conformance/$controller
PROCESSES=4 # most of a spec is waiting
COMPANION_STATUS=127.0.0.1:9379
COMPANION_READY_S=60 # it looks for another controller for 30 s before it takes over
pids=()

# Ends what this script started, the newest first.
finish() {
  local pid
  trap '' INT TERM HUP
  for pid in "${pids[@]}"; do
    kill -s TERM "$pid" 2>/dev/null || continue
    wait "$pid" || true
  done
}

# start COMMAND...: in the background.
start() {
  "$@" &
  pids=("$!" "${pids[@]}")
}

start_companion() {
  local deadline=$((SECONDS + COMPANION_READY_S))
  say "starting berth-companion in the place of the built-in controller"
  start berth-companion --roles=statefulset --take-over-apps-v1 --kubeconfig "$KUBECONFIG" \
    --metrics-address "$COMPANION_STATUS" >"$out/companion.log" 2>&1
  until curl -sf "http://$COMPANION_STATUS/readyz" >/dev/null; do
    if ! kill -0 "${pids[0]}" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
      tail -n 5 "$out/companion.log" >&2
      die "berth-companion is not ready"
    fi
    read -rt 0.2 <> <(:) || true
  done
}

# The first words of not-run.txt as one regular expression.
skipped_names() { sed -n '/^#/d; s/ *|.*//p' "$here/not-run.txt" | sed 's/[^[:alnum:] ]/\\&/g' | paste -sd'|'; }

run_specs() {
  say "running the specs, $PROCESSES at a time; ${out#"$BERTH_ROOT"/}/ginkgo.log has what they say"
  start ginkgo run --procs=$PROCESSES --no-color --silence-skips -v \
    --focus="$SUBJECT.*($focus)" --skip="$(skipped_names)" --output-dir="$out" --json-report=report.json \
    "$(command -v e2e.test)" -- --provider=skeleton --kubeconfig="$KUBECONFIG" --kubectl-path="$(command -v kubectl)" \
    --num-nodes=2 --report-dir="$out" > >(tee "$out/ginkgo.log" | show_progress) 2>&1
  wait "${pids[0]}"
}

# Ginkgo says "• [50.6 seconds]" or "• [FAILED] [50.6 seconds]" above the name of a spec that has ended.
show_progress() {
  awk '/^• / { $1 = /FAILED|PANICKED|TIMEDOUT|INTERRUPTED/ ? "" : "passed"; end = $0; getline; print end, $0; fflush() }'
}

SUBJECT='\[sig-apps\] StatefulSet'
rm -rf "$out"
mkdir -p "$out"
trap finish EXIT
trap 'exit 130' INT TERM HUP
[ "$controller" != companion ] || start_companion
run_specs || true # the report says what failed
"$here/report.py" "$here/not-run.txt" "$focus" "$out/report.json"
