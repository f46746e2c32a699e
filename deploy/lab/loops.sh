# Loop devices that a killed node leaves attached. A device is touched only when it was seen in use by
# one of the lab's own nodes and still has the same backing file.
# shellcheck shell=bash

LOOPS=$LAB/loops

# "NAME BACKING-INODE BACKING-DEVICE" of all attached loop devices.
attached_loops() { losetup --list --noheadings --output NAME,BACK-INO,BACK-MAJ:MIN | awk '{ $1 = $1; print }'; }

# loops_remember: notes the loop devices that the nodes have mounted, bound into a volume's place or
# hold open.
loops_remember() {
  local node pid
  for node in "${LAB_NODES[@]}"; do
    pid=$(node_pid "$node") || continue
    { mounted_loops "$pid"; open_loops "$node"; } 2>/dev/null | sort -u |
      join - <(attached_loops | sort) >>"$LOOPS" || true
  done
}

# File systems on loop devices (major number 7), and device nodes bound as raw block volumes.
mounted_loops() {
  awk '$3 ~ /^7:/ { sub("7:", "/dev/loop", $3); print $3 }
       $4 ~ /^\/loop[0-9]+$/ { print "/dev" $4 }' "/proc/$1/mountinfo"
}

open_loops() {
  local pid
  for pid in $(pgrep --ns "$(node_pid "$1")" --nslist pid); do
    find "/proc/$pid/fd" -lname '/dev/loop[0-9]*' -printf '%l\n'
  done
}

# kubelet's own loop device stands on the node of another one (devtmpfs): it is detached first.
loops_detach() {
  [ -s "$LOOPS" ] || return 0
  local device inode backing
  while read -r device inode backing; do
    attached_loops | grep -qxF "$device $inode $backing" || continue
    attached_loops | awk -v inode="$(stat -c %i "$device")" -v devtmpfs="$(mountpoint -d /dev)" \
      '$2 == inode && $3 == devtmpfs { print $1 }' | xargs -r -n1 losetup --detach
    losetup --detach "$device" || true
  done <"$LOOPS"
  rm -f "$LOOPS"
}
