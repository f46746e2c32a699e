#!/usr/bin/env bash
# ./dev chaos: shows by real programs on a real Ceph of three OSDs that a volume has one writer at most, whatever breaks.
# Each run has a seed, which decides what breaks when and how the volumes move; what the kernel, Ceph and the scheduler
# do meanwhile it cannot decide, so a seed that failed may have to be run several times to fail again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=sanity-tests/double-writer/runs.sh
source "$here/runs.sh"
cd "$BERTH_ROOT"

explain() {
  cat <<E2
./dev chaos [--seconds N] [--seed S] [--runs N] [--keep-lab]
    N runs (default: 1; 0: without end, until one fails) of N seconds each (default: 60), by the seeds S, S + 1, ...
./dev chaos mutants [NAME...]
    whether the checker finds each of the faults in mutants/, by 200 seeds at most
E2
}

run_seeds() {
  local seconds=60 seed runs=1 keep=0 done=0
  seed=$(date +%s)
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=$2; shift 2 ;;
      --seed) seed=$2; shift 2 ;;
      --runs) runs=$2; shift 2 ;;
      --keep-lab) keep=1; shift ;;
      *) explain >&2; die "chaos: unknown: $1" ;;
    esac
  done
  ./dev build "$BERTH_PRESET" double-writer "${PROGRAMS[@]}"
  [ $keep = 1 ] || trap './dev lab down' EXIT
  lab_for_chaos
  while [ "$runs" = 0 ] || [ $done -lt "$runs" ]; do
    one_run $((seed + done)) "$seconds" "$BERTH_BUILD/bin" ||
      { echo "chaos: $done passed, 1 failed"; return 1; }
    done=$((done + 1))
  done
  echo "chaos: $done passed, 0 failed"
}

require_root "the double-writer checker"
case ${1:-} in
  help | --help | -h) explain ;;
  mutants) shift; exec "$here/mutants.sh" "$@" ;;
  *) run_seeds "$@" ;;
esac
