#!/usr/bin/env bash
# run.sh RESULTS: the attach path beside fio's own rbd engine and rbd-fuse, and what it takes of the machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../../deploy/dev/environment.sh"
"$BERTH_BUILD/bin/attach-bench" --clusters "$BERTH_CLUSTERS" --berth-data "$BERTH_BUILD/bin/berth-data" \
  --admin-keyring "$(ceph-conf --name client.admin --lookup keyring)" \
  --rounds "${BERTH_BENCH_ROUNDS:-3}" --seconds "${BERTH_BENCH_SECONDS:-10}" --json "$1/attach.json" ||
  [ $? -eq 1 ] # below a floor: the table says so
