#!/usr/bin/env bash
# Every benchmark, or those named: companion, controller, fencing, attach, claims. Each prints a table and leaves its figures as JSON in
# build/bench. Run it by ./dev bench, which brings the lab up. Nothing is asserted: the floors stand beside the
# figures.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../deploy/dev/environment.sh"
results=$BERTH_ROOT/build/bench
mkdir -p "$results"
wanted=("$@")
[ ${#wanted[@]} -gt 0 ] || wanted=(companion controller fencing attach claims)
{
  lscpu | sed -n 's/^Model name: *//p'
  echo "$(nproc) cores, $(free -g | awk '/^Mem/ { print $2 }') GiB, Linux $(uname -r)${BERTH_CLUSTERS:+, $(ceph --version | cut -d' ' -f1-3)}"
} | tee "$results/machine.txt"
for name in "${wanted[@]}"; do
  [ "$name" = companion ] || : "${BERTH_CLUSTERS:?is not set: run this by ./dev bench}"
  say "benchmark $name"
  "$here/$name/run.sh" "$results"
done
