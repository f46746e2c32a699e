#!/usr/bin/env bash
# run.sh BIN [OPTION...]: every crash point of a volume's life, in a lab's real Ceph; runs inside `./dev lab run`.
# The options are those of crash-points.
set -euo pipefail
bin=$1
shift
work=$(mktemp -d /run/berth-crash.XXXXXX)
# The watch of a program that died keeps its image from being removed; it need not do so for Ceph's 30 s each time.
ceph config set osd osd_client_watch_timeout 3
status=0
# The programs' mounts end with this namespace.
unshare --mount --propagation private -- \
  "$bin/crash-points" --work "$work" --bin "$bin" --clusters "$BERTH_CLUSTERS" "$@" || status=$?
if [ $status = 0 ]; then rm -rf "$work"; else echo "logs are in $work"; fi
exit $status
