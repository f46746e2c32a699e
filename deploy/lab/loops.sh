# Loop devices that a killed node leaves attached. A device is touched only when one of the lab's own nodes
# used it (seen in its mounts and open files, or in its stage records when it died before) and when it is made
# of the same file as then.
# shellcheck shell=bash

LOOPS=$LAB/loops

# "NAME BACKING-INODE BACKING-DEVICE" of all attached loop devices.
attached_loops() { losetup --list --noheadings --output NAME,BACK-INO,BACK-MAJ:MIN | awk '{ $1 = $1; print }'; }

# loops_remember: notes the loop devices that the nodes have mounted, bound into a volume's place or
# hold open, and those that Berth's stage records name. Berth's are made of a file of a FUSE file system,
# whose device numbers have the major number 0.
loops_remember() {
  local node pid
  for node in "${LAB_NODES[@]}"; do
    if pid=$(node_pid "$node"); then
      { mounted_loops "$pid"; open_loops "$node"; } 2>/dev/null | note_loops '.*'
    fi
    staged_loops "$node" | note_loops '0:[0-9]*'
  done
}

# note_loops BACKING_DEVICE_PATTERN: of the device names that it reads, those that are attached to such a file.
note_loops() { sort -u | join - <(attached_loops | sort) | grep -x "[^ ]* [^ ]* $1" >>"$LOOPS" || true; }

staged_loops() {
  find "$LAB/n$1/kubelet/plugins/rbd.berth.storage" -name '*.json' -exec jq -r '.device // empty' {} + 2>/dev/null || true
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
  done < <(sort -u "$LOOPS")
  rm -f "$LOOPS"
}
