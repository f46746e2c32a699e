#!/usr/bin/env bash
# ./dev bench: measures Berth against the bare libraries on the lab's Ceph; prints a table and writes JSON.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$dev_dir/environment.sh"
cd "$BERTH_ROOT"
./dev build
./dev lab up ceph
exec ./dev lab run sanity-tests/bench/run.sh "$@"
