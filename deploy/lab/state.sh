# Where one lab keeps what it has: files in the lab's directory, sockets under /run (a socket's path must
# stay below 108 bytes), and names that two checkouts' labs on one machine do not share.
# shellcheck shell=bash disable=SC2034 # used by the files that source this one

LAB=$(realpath -m "${BERTH_LAB_DIR:-$BERTH_ROOT/.lab}")
LAB_ID=berth-lab-$(sha256sum <<<"$LAB" | cut -c1-8)
LAB_RUN=/run/$LAB_ID
LAB_NETNS=/run/netns/$LAB_ID
LAB_ADDRESS=10.123.0.1
LAB_NODES=(1 2)
LAB_OSDS=${BERTH_LAB_OSDS:-1}
LAB_KUBECONFIG=$LAB/pki/admin.kubeconfig
LAB_FEATURE_GATES=${BERTH_LAB_FEATURE_GATES:-} # of the API server and the controller manager, as NAME=true,...

# in_lab COMMAND...: runs it in the lab's network. (`ip netns exec` would also remount /sys and so hide
# the cgroups.)
in_lab() { nsenter --net="$LAB_NETNS" -- "$@"; }

# wait_until SECONDS WHAT COMMAND...: until the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { say "gave up waiting for $what; logs are in $LAB/log"; return 1; }
    sleep 0.1
  done
}

# The state of each part: absent, starting (also: half-started) or ready.
part_state() { cat "$LAB/state/$1" 2>/dev/null || echo absent; }
set_part_state() { mkdir -p "$LAB/state" && echo "$2" >"$LAB/state/$1"; }
