#!/usr/bin/env bash
# run.sh RESULTS: the attach path beside fio's own rbd engine, and what I/O processes take of the machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/dev/environment.sh
source "$here/../../../deploy/dev/environment.sh"
"$BERTH_BUILD/bin/attach-bench" --clusters "$BERTH_CLUSTERS" --berth-data "$BERTH_BUILD/bin/berth-data" \
  --rounds "${BERTH_BENCH_ROUNDS:-3}" --seconds "${BERTH_BENCH_SECONDS:-10}" --json "$1/attach.json" ||
  [ $? -eq 1 ] # below a floor: the table says so
