#!/usr/bin/env bash
# The demo's flow as a test, one line per check. Needs a lab with Kubernetes: ./dev test starts it through
# `./dev lab run`. What the commands print goes to the file that the failure names.
set -euo pipefail
e2e_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$e2e_dir/../../deploy/dev/environment.sh"
# shellcheck source=sanity-tests/e2e/flow.sh
source "$e2e_dir/flow.sh"
# shellcheck source=sanity-tests/e2e/data_path.sh
source "$e2e_dir/data_path.sh"
# shellcheck source=sanity-tests/e2e/dns.sh
source "$e2e_dir/dns.sh"
# shellcheck source=sanity-tests/e2e/fencing.sh
source "$e2e_dir/fencing.sh"
# shellcheck source=sanity-tests/e2e/shared_modes.sh
source "$e2e_dir/shared_modes.sh"
# shellcheck source=sanity-tests/e2e/doctor.sh
source "$e2e_dir/doctor.sh"
# shellcheck source=sanity-tests/e2e/statefulset.sh
source "$e2e_dir/statefulset.sh"
# shellcheck source=sanity-tests/e2e/bad_input.sh
source "$e2e_dir/bad_input.sh"
# shellcheck source=sanity-tests/e2e/operations.sh
source "$e2e_dir/operations.sh"

log=$BERTH_ROOT/build/e2e.log
passed=0
mkdir -p "$(dirname "$log")"
: >"$log"

step() { printf -- '--- %s\n' "$1" | tee -a "$log"; }

run() {
  printf '$ %s\n' "$1" >>"$log"
  bash -c "$1" 2>&1 | tee "$output" >>"$log" || failed "$1"
}

check() {
  local what=$1
  shift
  "$@" >>"$log" 2>&1 || failed "$what"
  passed=$((passed + 1))
  printf 'ok %s\n' "$what"
}

failed() {
  printf 'FAILED %s\n' "$1"
  {
    kubectl get pods -A -o wide
    kubectl get events -A --sort-by=.lastTimestamp
    for workload in deployment/berth-controller daemonset/berth-node daemonset/berth-data; do
      kubectl -n berth-system logs "$workload" --tail=200
    done
    kubectl -n berth-system logs -l app.kubernetes.io/name=berth-statefulset --prefix --tail=200
    kubectl -n kube-system logs -l app.kubernetes.io/name=berth-dns --prefix --tail=200
  } >>"$log" 2>&1 || true
  tail -n 40 "$log"
  printf 'e2e: %d passed, 1 failed; everything that was printed is in %s\n' $passed "$log"
  exit 1
}

# What an administrator may apply, as it is in the repository.
manifests() {
  local file directory
  step "the manifests"
  cd "$BERTH_ROOT"
  for file in $(git ls-files 'deploy/kubernetes/*kustomization.yaml'); do
    directory=$(dirname "$file")
    check "the API server takes $directory" \
      kubectl apply --server-side --force-conflicts --dry-run=server -k "$directory"
  done
}

trap 'exit 130' INT TERM
"$e2e_dir/install.sh" >>"$log" 2>&1 || failed "install Berth"
manifests
all=(flow data_path node_fenced shared_modes examined cluster_dns clear_earlier_run ordering bad_input
  unreachable_monitor occupied_device json_logs api_server_outage operations)
[ $# -gt 0 ] || set -- "${all[@]}"
for part in "$@"; do "$part"; done
printf 'e2e: %d passed, 0 failed\n' $passed
