#!/usr/bin/env bash
# ./dev demo: brings up the lab, installs Berth into it and shows the main job, each command with its output.
set -euo pipefail
e2e_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$e2e_dir/../../deploy/dev/environment.sh"
# shellcheck source=sanity-tests/e2e/flow.sh
source "$e2e_dir/flow.sh"

titles=()
durations=()
current=

step() {
  end_step
  current=$1
  step_started=$(elapsed_s)
  printf '\n== %s\n' "$current"
}

end_step() {
  [ -n "$current" ] || return 0
  titles+=("$current")
  durations+=("$(awk -v from="$step_started" -v to="$(elapsed_s)" 'BEGIN { printf "%.1f", to - from }')")
}

run() {
  printf '\n$ %s\n' "$1"
  bash -c "$1" 2>&1 | tee "$output" || { printf '\nThe command failed.\n'; stop_here; }
}

check() {
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then
    printf '  ok: %s\n' "$what"
  else
    printf '  DIFFERENT: %s\n' "$what"
    stop_here
  fi
}

stop_here() {
  printf '\nThe demo ends here. What the parts say:\n'
  kubectl get pods -A -o wide || true
  kubectl get events -A --sort-by=.lastTimestamp | tail -n 15 || true
  kubectl -n berth-system logs deployment/berth-controller --tail=15 || true
  kubectl -n kube-system logs deployment/berth-dns --tail=15 || true
  printf '\nThe lab stays up: ./dev lab run bash to look around; ./dev lab down removes it.\n'
  exit 1
}

epilogue() {
  printf '\n%-70s %8s\n' "step" "seconds"
  local i
  for i in "${!titles[@]}"; do printf '%-70s %8s\n' "${titles[i]}" "${durations[i]}"; done
  printf '%-70s %8s\n' "all" "$(elapsed_s)"
  cat <<E

web-0 and web-1 still run, on storage that only they can write to. What to try next:
  eval "\$(./dev lab env)"          kubectl, rbd, ceph and Berth's programs of this lab
  kubectl get pods -o wide ; rbd ls
  kubectl exec web-1 -- curl -s web-0.nginx
  kubectl delete pod web-1         it comes back with its data
  ./dev test                       all tests
  ./dev lab down                   leaves nothing behind
E
}

trap 'printf "\nInterrupted. ./dev demo begins anew; ./dev lab down removes the lab.\n"; exit 130' INT TERM
step "build Berth"
"$BERTH_ROOT/dev" build
step "bring up the lab: Ceph and two Kubernetes nodes"
"$BERTH_ROOT/dev" lab up all
environment=$("$BERTH_ROOT/dev" lab env)
eval "$environment"
step "install Berth"
"$e2e_dir/install.sh"
flow
end_step
epilogue
