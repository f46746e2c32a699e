# The Kubernetes nodes: each is a process tree with its own network, mount, process and host name
# namespaces. Killing its first process is a node crash.
# shellcheck shell=bash

node_cgroup() { echo "/$LAB_ID-n$1"; }

# node_up NUMBER
node_up() {
  local node=$1
  node_network_up "$node"
  node_cgroup_up "$(node_cgroup "$node")"
  start_process "node-n$node" nsenter --net="/run/netns/$(node_netns "$node")" -- \
    unshare --mount --pid --uts --fork --kill-child --mount-proc --propagation private \
    env "PATH=$UNPACKED_ROOT/usr/bin:$PATH" NODE="$node" NODE_DIR="$LAB/n$node" \
    NODE_CGROUP="$(node_cgroup "$node")" LAB="$LAB" KUBERNETES_BIN="$KUBERNETES_BIN" \
    REGISTRY_HOSTS="$REGISTRY_HOSTS" \
    bash "$BERTH_ROOT/deploy/lab/node_init.sh"
}

# in_node NUMBER COMMAND...: runs it as a program of the node would run.
in_node() {
  local pid
  pid=$(node_pid "$1") || die "node n$1 does not run: ./dev lab up"
  shift
  nsenter --target "$pid" --mount --pid --net --uts -- env "PATH=$UNPACKED_ROOT/usr/bin:$PATH" "$@"
}

# The process that is number 1 inside the node, by its number outside.
node_pid() { is_running "node-n$1" && pgrep -P "$(process_id "node-n$1")"; }

nodes_down() {
  local node
  loops_remember
  loops_abort
  stop_processes KILL "${LAB_NODES[@]/#/node-n}"
  for node in "${LAB_NODES[@]}"; do netns_down "$(node_netns "$node")"; done
  loops_detach
  for node in "${LAB_NODES[@]}"; do
    node_cgroup_down "$(node_cgroup "$node")"
    rm -rf "$LAB/n$node"
  done
}

# The machine has either one cgroup hierarchy (version 2) or one per controller (version 1).
cgroup_hierarchies() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
  else
    dirname /sys/fs/cgroup/*/cgroup.procs
  fi
}

node_cgroup_up() {
  local root file
  for root in $(cgroup_hierarchies); do
    if [ "$root" = /sys/fs/cgroup ]; then
      sed 's/[^ ]*/+&/g' "$root/cgroup.controllers" >"$root/cgroup.subtree_control"
    fi
    mkdir -p "$root$1"
    # Version 1 starts a cgroup with no processor and no memory node to run on.
    for file in cpuset.cpus cpuset.mems; do
      if [ -e "$root/$file" ]; then cat "$root/$file" >"$root$1/$file"; fi
    done
  done
}

# A cgroup can be removed when its last process has left the kernel.
node_cgroup_down() {
  local root
  for root in $(cgroup_hierarchies); do
    if [ -d "$root$1" ]; then
      wait_until 10 "cgroup $root$1 to empty" remove_cgroup "$root$1" || true
    fi
  done
}

remove_cgroup() { find "$1" -depth -type d -exec rmdir {} + && [ ! -d "$1" ]; }

# import_image FILE: into every running node's containerd.
import_image() {
  local node pid pids=()
  for node in "${LAB_NODES[@]}"; do
    in_node "$node" ctr -n k8s.io images import "$(realpath "$1")" >/dev/null &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}
