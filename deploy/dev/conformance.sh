#!/usr/bin/env bash
# ./dev conformance: Kubernetes' own end-to-end specs in a lab of its own. See `./dev conformance help`.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go ../../sanity-tests/conformance/images; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done
cd "$BERTH_ROOT"

export BERTH_LAB_DIR=${BERTH_LAB_DIR:-$BERTH_ROOT/.lab-conformance}
export BERTH_LAB_FEATURE_GATES=MaxUnavailableStatefulSet=true
controller=companion
focus=
suite=

conformance_help() {
  cat <<H
./dev conformance statefulset [--with CONTROLLER] [--focus REGEX]

Runs Kubernetes' own [sig-apps] StatefulSet specs against two nodes and volumes of Berth, and prints which passed,
which failed, and which did not run and why. About 10 minutes; the first time 15 more, to build the specs.

  --with companion   berth-companion keeps the order, Kubernetes' own StatefulSet controller is off (default)
  --with built-in    Kubernetes' own controller: what the suite itself can do in this lab
  --with none        nobody: each spec must fail, or it shows nothing
  --focus REGEX      only the specs whose names match

The lab is $BERTH_LAB_DIR.
One that is up before is used and stays up; it needs BERTH_LAB_FEATURE_GATES=$BERTH_LAB_FEATURE_GATES.
H
}

read_words() {
  [ "${1:-help}" != help ] || { conformance_help; exit 0; }
  [ "$1" = statefulset ] || die "conformance $1: the only suite is statefulset"
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --with) controller=${2:-} ;;
      --focus) focus=${2:-} ;;
      *) die "conformance: unknown: $1" ;;
    esac
    shift 2 || die "conformance: $1 needs a value"
  done
  case $controller in
    companion | built-in | none) ;;
    *) die "--with $controller: expected companion, built-in or none" ;;
  esac
}

lab_is_up() { [[ $(./dev lab status) == *"kubernetes ready"* ]]; }

bring_lab_up() {
  if lab_is_up; then
    trap restore_lab EXIT
  else
    trap bring_lab_down EXIT
  fi
  ./dev lab up all
  ./dev lab run sanity-tests/e2e/install.sh
  local archive
  for archive in "$images"/*.tar; do
    say "loading $(basename "$archive" .tar)"
    ./dev lab import "$archive"
  done
  [ "$controller" = built-in ] || ./dev lab controllers '*,-statefulset-controller'
}

bring_lab_down() {
  end_suite
  ./dev lab down
}

restore_lab() {
  end_suite
  [ "$controller" = built-in ] || ./dev lab controllers
}

end_suite() {
  trap '' INT TERM HUP
  [ -n "$suite" ] || return 0
  kill -s TERM "$suite" 2>/dev/null || true
  wait "$suite" || true
}

read_words "$@"
require_root "the lab"
ensure_packages lab
ensure_kubernetes
ensure_kubernetes_e2e
images=$(conformance_images)
./dev build "$BERTH_PRESET" berth-controller berth-node berth-data berth-companion
trap 'exit 130' INT TERM HUP
bring_lab_up
./dev lab run env "PATH=$BERTH_BUILD/bin:$KUBERNETES_E2E_BIN:$PATH" \
  sanity-tests/conformance/statefulset.sh "$controller" "$focus" &
suite=$!
wait $suite
