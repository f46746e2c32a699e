# Loop devices that killed nodes leave attached. Berth's are made of a file of a FUSE file system, which has a device
# number of its own (0:<connection>): a loop device is touched only when a node of this lab had that connection.
# shellcheck shell=bash

LOOPS=$LAB/loops # the device numbers, one a line

# "NAME BACKING-INODE BACKING-DEVICE" of all attached loop devices.
attached_loops() { losetup --list --noheadings --output NAME,BACK-INO,BACK-MAJ:MIN | awk '{ $1 = $1; print }'; }

# loops_remember: which FUSE connections the nodes have. The nodes are stopped first, and stay so until they are
# killed: an attach that is under way would not be seen.
loops_remember() {
  local node pid
  for node in "${LAB_NODES[@]}"; do
    if pid=$(node_pid "$node"); then
      pgrep --ns "$pid" --nslist pid | xargs -r kill -s STOP 2>/dev/null || true
      fuse_connections "$pid" >>"$LOOPS"
      mounted_loops "$pid" | fuse_backing >>"$LOOPS"
    fi
    staged_loops "$node" | fuse_backing >>"$LOOPS"
  done
}

# What the kernel tells of open /dev/fuse descriptors; it does so since 6.18.
fuse_connections() {
  local pid
  for pid in $(pgrep --ns "$1" --nslist pid); do
    sed -n 's/^fuse_connection:[[:space:]]*/0:/p' "/proc/$pid"/fdinfo/* 2>/dev/null || true
  done
}

# File systems on loop devices (major number 7), and device nodes bound as raw block volumes.
mounted_loops() {
  awk '$3 ~ /^7:/ { sub("7:", "/dev/loop", $3); print $3 }
       $4 ~ /^\/loop[0-9]+$/ { print "/dev" $4 }' "/proc/$1/mountinfo"
}

# What Berth's stage records name: of a node that died before.
staged_loops() {
  find "$LAB/n$1/kubelet/plugins/rbd.berth.storage" -name '*.json' \
    -exec jq -r '.device // empty' {} + 2>/dev/null || true
}

# Of the loop devices that it reads, the FUSE file systems below them.
fuse_backing() { sort -u | join - <(attached_loops | sort) | awk '$3 ~ /^0:/ { print $3 }'; }

# loops_abort: ends the connections. A node that is killed may have to unmount what its own processes served, and would
# wait for answers that nobody gives any more.
loops_abort() {
  [ -s "$LOOPS" ] || return 0
  local control connection
  control=$(mktemp -d "$LAB_RUN/fusectl.XXXXXX")
  mount -t fusectl none "$control"
  while IFS=: read -r _ connection; do
    [ ! -e "$control/$connection/abort" ] || echo 1 >"$control/$connection/abort"
  done < <(sort -u "$LOOPS")
  umount "$control"
  rmdir "$control"
}

# kubelet's own loop device stands on the node of another one (devtmpfs): it is detached first.
loops_detach() {
  [ -s "$LOOPS" ] || return 0
  local device backing
  while read -r device _ backing; do
    grep -qxF "$backing" "$LOOPS" || continue
    attached_loops | awk -v inode="$(stat -c %i "$device")" -v devtmpfs="$(mountpoint -d /dev)" \
      '$2 == inode && $3 == devtmpfs { print $1 }' | xargs -r -n1 losetup --detach
    losetup --detach "$device" || true
  done < <(attached_loops)
  rm -f "$LOOPS"
}
