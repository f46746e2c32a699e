#!/usr/bin/env bash
# ./dev bench: measures Berth against the bare libraries on the lab's Ceph, and beside what it replaces; prints tables
# and writes JSON.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done
cd "$BERTH_ROOT"
ensure_packages bench # here, because the lab's network does not reach Debian's mirror
./dev build
[ $# -gt 0 ] || set -- companion controller fencing attach claims
for name in "$@"; do
  case $name in
    companion) # starts what it needs itself
      sanity-tests/bench/run.sh "$name"
      continue
      ;;
    # Without Kubernetes, which takes processor time of its own.
    controller | fencing | attach) ./dev lab up ceph ;;
    *) ./dev lab up all ;;
  esac
  ./dev lab run sanity-tests/bench/run.sh "$name"
done
