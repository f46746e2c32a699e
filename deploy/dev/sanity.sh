#!/usr/bin/env bash
# ./dev sanity: csi-sanity against the programs that ./dev build built and the lab's Ceph.
set -euo pipefail
dev_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in environment packages go; do
  # shellcheck source=/dev/null
  source "$dev_dir/$part.sh"
done
cd "$BERTH_ROOT"
ensure_csi_sanity
./dev build
./dev lab up ceph
exec ./dev lab run env "PATH=$BERTH_BUILD/bin:$CSI_SANITY_BIN:$PATH" sanity-tests/csi-sanity/run.sh "$@"
