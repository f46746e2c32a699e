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
BESIDE=$BERTH_ROOT/deploy/kubernetes/companion/statefulset
TAKEN_OVER=$BERTH_ROOT/deploy/kubernetes/companion/statefulset-take-over
CLEAN_UP_S=20
TAKE_OVER_S=90 # for 30 s of them it looks for another controller
SUBJECT='\[sig-apps\] StatefulSet'
ginkgo=

finish() {
  trap '' INT TERM HUP
  [ -z "$ginkgo" ] || end_specs
  [ "$controller" != companion ] || hand_back
}

# Specs that are told to end take away what they made first; in its first seconds Ginkgo does not listen.
end_specs() {
  local deadline=$((SECONDS + CLEAN_UP_S))
  kill -s TERM -- "-$ginkgo" 2>/dev/null || true
  while kill -0 "$ginkgo" 2>/dev/null && [ $SECONDS -lt $deadline ]; do
    read -rt 0.2 <> <(:) || true
  done
  kill -s KILL -- "-$ginkgo" 2>/dev/null || true
}

# As an administrator installs it.
install_companion() {
  local deadline=$((SECONDS + TAKE_OVER_S))
  say "berth-companion takes over, about 40 seconds"
  kubectl apply --server-side -k "$TAKEN_OVER" >/dev/null
  until companion_says TakenOver; do
    if [ $SECONDS -ge $deadline ] || companion_says TakeoverRefused; then
      kubectl -n berth-system get events,pods >&2
      die "berth-companion did not take over the StatefulSets of apps/v1"
    fi
    read -rt 0.5 <> <(:) || true
  done
}

companion_says() {
  [ -n "$(kubectl -n berth-system get events --field-selector "reason=$1" -o name)" ]
}

# A crash that its other replica made up for is still a crash.
companion_never_restarted() {
  local restarts
  restarts=$(kubectl -n berth-system get pods --selector app.kubernetes.io/name=berth-statefulset \
    -o jsonpath='{.items[*].status.containerStatuses[*].restartCount}')
  [ "$restarts" = "0 0" ] || { say "berth-companion's replicas were restarted: $restarts"; return 1; }
}

# As docs/statefulset.md has it; afterwards the companion stands beside the built-in controller, as install.sh left it.
hand_back() {
  kubectl -n berth-system logs --selector app.kubernetes.io/name=berth-statefulset --prefix --tail=-1 >"$out/companion.log" || true
  kubectl -n berth-system delete --ignore-not-found --cascade=foreground deployment/berth-statefulset >/dev/null
  kubectl -n berth-system delete events --field-selector reason=TakenOver >/dev/null
  kubectl apply --server-side -k "$BESIDE" >/dev/null
}

# The first words of not-run.txt as one regular expression.
skipped_names() { sed -n '/^#/d; s/ *|.*//p' "$here/not-run.txt" | sed 's/[^[:alnum:] ]/\\&/g' | paste -sd'|'; }

run_specs() {
  say "running the specs, $PROCESSES at a time; ${out#"$BERTH_ROOT"/}/ginkgo.log has what they say"
  # A group of its own: what ends it must reach its processes, too.
  setsid ginkgo run --procs=$PROCESSES --no-color --silence-skips -v \
    --focus="$SUBJECT.*($focus)" --skip="$(skipped_names)" --output-dir="$out" --json-report=report.json \
    "$(command -v e2e.test)" -- --provider=skeleton --kubeconfig="$KUBECONFIG" --kubectl-path="$(command -v kubectl)" \
    --num-nodes=2 --report-dir="$out" > >(tee "$out/ginkgo.log" | show_progress) 2>&1 &
  ginkgo=$!
  wait "$ginkgo" || true # the report says what failed
  ginkgo=
}

# Ginkgo says "• [50.6 seconds]" or "• [FAILED] [50.6 seconds]" above the name of a spec that has ended.
show_progress() {
  awk '/^• / { $1 = /FAILED|PANICKED|TIMEDOUT|INTERRUPTED/ ? "" : "passed"; end = $0; getline; print end, $0; fflush() }'
}

rm -rf "$out"
mkdir -p "$out"
trap finish EXIT
trap 'exit 130' INT TERM HUP
[ "$controller" != companion ] || install_companion
run_specs
status=0
[ "$controller" != companion ] || companion_never_restarted || status=1
"$here/report.py" "$here/not-run.txt" "$focus" "$out/report.json" || status=1
[ $status = 0 ]
