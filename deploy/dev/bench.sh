#!/usr/bin/env bash
# ./dev bench: measures Berth against the bare libraries on the lab's Ceph; prints a table and writes JSON.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$dev_dir/environment.sh"
cd "$BERTH_ROOT"
./dev build
# Kubernetes is there only for what is measured in it: it takes processor time of its own.
ceph_alone=(controller attach)
[ $# -gt 0 ] || set -- "${ceph_alone[@]}" claims
for name in "$@"; do
  case " ${ceph_alone[*]} " in
    *" $name "*) ./dev lab up ceph ;;
    *) ./dev lab up all ;;
  esac
  ./dev lab run sanity-tests/bench/run.sh "$name"
done
